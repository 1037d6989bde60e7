import { join } from 'node:path'
import { createLinuxKernel } from '../../agent/kernel/linux/linux-kernel.ts'
import { createLocalEngine } from '../../agent/engine/local-engine.ts'
import { CryptoRandom } from '../../src/platform/clock/crypto-random.ts'
import { SystemClock } from '../../src/platform/clock/system-clock.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { MONITOR, request } from './engine-fixture.ts'

/** A daemon to be killed: `node engine-host.js ROOT CGROUP run|churn`. It prints a line when there is something to see. */
const [, , root = '', cgroupParent = '', mode = 'run'] = process.argv
const engine = await createLocalEngine({
  dataRoot: join(root, 'data'), execRoot: join(root, 'run'), cgroupParent, monitorPath: MONITOR,
  kernel: createLinuxKernel(), clock: new SystemClock(), random: new CryptoRandom(), logger: new MemoryLogger(),
})
await engine.restore()
if (mode === 'run') {
  const { Id } = await engine.containers.create(request(['sh', '-c', 'i=0; while true; do echo tick $i; i=$((i+1)); [ -f /tmp/stop ] && exit 9; sleep 0.05; done'], { name: 'ticker' }))
  await engine.containers.start(Id)
  process.stdout.write('started\n')
  setInterval(() => undefined, 1000)
}
while (mode === 'churn') {
  const { Id } = await engine.containers.create(request(['sleep', '100']))
  await engine.containers.start(Id)
  process.stdout.write('started\n')
  await engine.containers.remove(Id, { force: true })
}
