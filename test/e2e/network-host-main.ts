import { createInterface } from 'node:readline'
import { createLinuxNetworkKernel } from '../../agent/kernel/linux/linux-network-kernel.ts'
import type { NetworkedContainer } from '../../agent/engine/network/container-networks.ts'
import { createLocalNetworks } from '../../agent/engine/network/create-local-networks.ts'
import { CryptoRandom } from '../../src/platform/clock/crypto-random.ts'
import { SystemClock } from '../../src/platform/clock/system-clock.ts'
import { messageOf, ShoalError } from '../../src/base/errors.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'

/**
 * Stands for the daemon of one host in network tests: runs inside a namespace, takes calls as JSON lines {id, method, args} and answers
 * {id, result} or {id, error}. Containers are a map that the test fills by "container".
 */
const [, , execRoot = '', dataRoot = '', optionsText = '{}'] = process.argv
const containers = new Map<string, { container: NetworkedContainer; isRunning: boolean }>()
const logger = new MemoryLogger()
const networks = await createLocalNetworks({
  kernel: createLinuxNetworkKernel(), execRoot, dataRoot, clock: new SystemClock(), random: new CryptoRandom(), logger,
  containers: () => ({
    find: async ref => {
      const found = [...containers.values()].find(({ container }) => container.id === ref || container.name === ref)
      if (found === undefined) throw new ShoalError('not-found', 'no-such-container', `No such container: ${ref}`)
      return found
    },
    endpointsChanged: async (id, wanted) => {
      const found = containers.get(id)
      if (found !== undefined) containers.set(id, { ...found, container: { ...found.container, ...wanted } })
    },
  }),
  ...JSON.parse(optionsText) as object,
})

type Method = (...args: readonly never[]) => unknown
const own: Readonly<Record<string, (...args: never[]) => unknown>> = {
  container: (container: NetworkedContainer, isRunning: boolean) => { containers.set(container.id, { container, isRunning }) },
  knownContainer: (id: string) => containers.get(id)?.container,
  restore: (running: Parameters<typeof networks.restore>[0]) => networks.restore(running, new Set()),
  overlayRevisions: () => [...networks.overlayRevisions()],
  logs: () => logger.lines.map(line => `${line.level} ${line.message} ${messageOf(line.fields['err'])} ${String(line.fields['failure'] ?? '')}`),
  measure: async (container: NetworkedContainer, rounds: number) => {
    const attachMs: number[] = []
    const detachMs: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      const startMs = performance.now()
      await networks.attach(container)
      const attachedMs = performance.now()
      await networks.detach(container.id)
      attachMs.push(attachedMs - startMs)
      detachMs.push(performance.now() - attachedMs)
    }
    return [attachMs, detachMs].map(times => times.sort((a, b) => a - b)).map(times => ({ min: times[0], median: times[Math.floor(times.length / 2)] }))
  },
}

createInterface({ input: process.stdin }).on('line', line => {
  const { id, method, args } = JSON.parse(line) as { id: number; method: string; args: never[] }
  const call = own[method] ?? ((networks as unknown as Record<string, Method>)[method] as Method).bind(networks)
  Promise.resolve().then(() => call(...args)).then(
    result => process.stdout.write(`${JSON.stringify({ id, result })}\n`),
    (error: unknown) => process.stdout.write(`${JSON.stringify({ id, error: { message: messageOf(error), code: error instanceof ShoalError ? error.code : undefined, kind: error instanceof ShoalError ? error.kind : undefined, stack: error instanceof Error ? error.stack : '' } })}\n`),
  )
})
process.stdout.write(`${JSON.stringify({ id: 0 })}\n`)
