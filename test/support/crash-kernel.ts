import { Duplex } from 'node:stream'
import { FakeKernel, type FakeKernelOptions } from '../../agent/kernel/fake-kernel.ts'
import { FakeNetworkKernel } from '../../agent/kernel/fake-network-kernel.ts'
import type { Kernel } from '../../agent/kernel/kernel.ts'
import { createLinuxNetworkKernel } from '../../agent/kernel/linux/linux-network-kernel.ts'
import type { NetworkKernel } from '../../agent/kernel/network-kernel.ts'
import type { CrashPoint, Life } from './crash-point.ts'

const RESOLVER = '127.0.0.11'

/** A modelled machine that outlives the daemons on it: what they do to its kernel are effects of their lives (crash-point.ts). */
export class CrashMachine {
  readonly fake: FakeKernel
  readonly fakeNetwork = new FakeNetworkKernel()
  readonly kernel: Kernel
  readonly network: NetworkKernel
  readonly #crash: CrashPoint

  constructor(crash: CrashPoint, options: FakeKernelOptions) {
    this.#crash = crash
    this.fake = new FakeKernel(options)
    const { mounts, cgroups, processes, host } = this.fake
    this.kernel = {
      host,
      mounts: this.#guard('mounts', mounts, ['overlay', 'bind', 'mount', 'makeWhiteout', 'makeOpaque', 'setAttribute', 'makeNode'], ['unmount']),
      cgroups: this.#guard('cgroups', cgroups, ['write'], ['remove']),
      processes: this.#guard('processes', processes, ['spawnMonitor', 'kill'], ['run'], ['connect']),
    }
    const { netns, links, nft, conntrack, modules, sockets } = this.fakeNetwork
    // The resolver hands its descriptors to node, which wants real ones; any namespace's loopback will do.
    const real = createLinuxNetworkKernel().sockets
    this.network = {
      conntrack, modules, hasIpv6: this.fakeNetwork.hasIpv6,
      netns: this.#guard('netns', netns, ['create', 'remove', 'writeSysctl', 'forwardIpv6'], []),
      links: this.#guard('links', links, ['apply'], ['remove']),
      nft: this.#guard('nft', nft, [], ['run']),
      sockets: {
        bind: (path, protocol, address, port) => {
          if (address === RESOLVER) return real.bind(undefined, protocol, address, port)
          const bound = sockets.bind(path, protocol, address, port)
          this.#crash.life?.onDeath(() => sockets.close(bound.fd))
          return bound
        },
        listen: () => sockets.listen(),
        forward: () => sockets.forward(),
        close: fd => sockets.close(fd),
      },
    }
  }

  /** `now` and `later`: effects, by whether they return a promise. `opens`: methods that are none, but whose connections end with the process that has them. */
  #guard<T extends object>(what: string, part: T, now: readonly string[], later: readonly string[], opens: readonly string[] = []): T {
    return new Proxy(part, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        const call = (...args: unknown[]): unknown => (value as (...all: unknown[]) => unknown).apply(target, args)
        const key = String(name)
        if (opens.includes(key)) return async (...args: unknown[]) => owned(await call(...args), this.#crash.life)
        if (!now.includes(key) && !later.includes(key)) return call
        return (...args: unknown[]) => {
          const { life } = this.#crash
          const title = `${what}.${key} ${args.map(arg => typeof arg === 'object' ? JSON.stringify(arg) : String(arg)).join(' ').slice(0, 120)}`
          if (life === undefined) return call(...args)
          return later.includes(key) ? life.later(title, async () => call(...args)) : owned(life.now(title, () => call(...args)), life)
        }
      },
    })
  }
}

/** Has the streams of a result end with the life. */
function owned<T>(result: T, life: Life | undefined): T {
  if (typeof result !== 'object' || result === null) return result
  for (const part of [result, ...Object.values(result)]) if (part instanceof Duplex) life?.onDeath(() => part.destroy())
  return result
}
