import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../platform/clock/fake-clock.ts'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { MemoryLogger } from '../platform/log/memory-logger.ts'
import { MemoryNetwork } from '../platform/rpc/memory-rpc.ts'
import type { ManagerConfig } from './manager-config.ts'
import { ManagerProcess } from './manager-process.ts'

test('a manager that can not be started again for a while is tried again all the same', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-manager-'))
  const execFolder = join(folder, 'exec')
  await mkdir(execFolder)
  // Stands for a manager that outlived an earlier daemon: what counts is the configuration on its command line.
  const old = spawn('sh', ['-c', 'read _', join(execFolder, 'manager.json')], { stdio: ['pipe', 'ignore', 'ignore'] })
  await once(old, 'spawn')
  await writeFile(join(execFolder, 'manager.pid'), String(old.pid))
  const [clock, logger] = [new FakeClock(), new MemoryLogger()]
  const dialer = new MemoryNetwork({ clock }).createDialer({ remoteAddress: 'local' })
  const config: ManagerConfig = { nodeId: 'n', clusterId: 'c', listenAddress: 'x:1', advertiseAddress: 'x:1', socketPath: join(execFolder, 's'), certificateFolder: folder, stateFolder: folder, logLevel: 'error' }
  const manager = new ManagerProcess(config, { clock, random: new SeededRandom(1), logger, dialer, execFolder, orders: () => ({ ring: { keys: [], isSealing: false } }) })
  manager.start()
  old.stdin?.end()
  await once(old, 'exit')
  // Where the configuration would be written there is a file in the way.
  await rm(execFolder, { recursive: true })
  await writeFile(execFolder, '')
  await clock.advance(30_000)
  const failures = logger.lines.filter(line => line.message === 'the manager process could not be started')
  assert(failures.length >= 2, String(failures.length))
  await manager[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})
