import { FakeClock } from '../../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { FaultyNetwork } from '../../../src/platform/rpc/faulty-network.ts'
import { MemoryNetwork } from '../../../src/platform/rpc/memory-rpc.ts'
import { rpcConformance, type RpcWorld } from './rpc-suite.ts'

function memoryWorld(isFaulty: boolean): RpcWorld {
  const clock = new FakeClock()
  const network = new MemoryNetwork({ clock })
  const faulty = new FaultyNetwork({ clock, random: new SeededRandom(1) })
  let sockets = 0
  return {
    createServer: () => network.createServer(),
    createDialer: identity => {
      const dialer = network.createDialer(identity === undefined ? {} : { identity })
      // Links stay within a host: no network is between their sides.
      return isFaulty ? { ...faulty.wrap(dialer, 'client'), openLink: dialer.openLink } : dialer
    },
    host: 'server',
    unixAddress: () => `unix:/run/test-${sockets++}.sock`,
    elapse: ms => clock.advance(ms),
    [Symbol.asyncDispose]: async () => {},
  }
}

rpcConformance('memory', async () => memoryWorld(false))
rpcConformance('memory behind a faultless link', async () => memoryWorld(true))
