import type { Network } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Networks } from '../engine.ts'
import type { ContainerNetworks, ContainerSandbox, NetworkedContainer } from './container-networks.ts'

/** An engine without networking: containers get an empty network namespace (`none`) or the host's. */
export class NoneNetworks implements ContainerNetworks, Networks {
  async attach(container: NetworkedContainer): Promise<ContainerSandbox> {
    await this.validate(container)
    const hosts = `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n`
    // The empty path asks the runtime for a namespace of its own.
    return { ...(container.mode === 'host' ? {} : { netnsPath: '' }), endpoints: {}, ports: {}, hosts, resolvConf: '' }
  }

  async detach(): Promise<void> { await Promise.resolve() }
  async rename(): Promise<void> { await Promise.resolve() }
  async restore(): Promise<void> { await Promise.resolve() }

  async validate(container: NetworkedContainer): Promise<void> {
    await Promise.resolve()
    if (container.mode !== 'none' && container.mode !== 'host') throw missing(container.mode)
  }

  async create(): Promise<never> { return unsupported() }
  async inspect(ref: string): Promise<never> { throw missing(ref) }
  async list(): Promise<readonly Network[]> { return [] }
  async remove(ref: string): Promise<void> { throw missing(ref) }
  async connect(ref: string): Promise<void> { throw missing(ref) }
  async disconnect(ref: string): Promise<void> { throw missing(ref) }
  async prune(): Promise<{ readonly NetworksDeleted: readonly string[] }> { return { NetworksDeleted: [] } }
  async applyOverlay(): Promise<void> { unsupported() }
  async removeOverlay(): Promise<void> { await Promise.resolve() }
  overlayRevisions(): ReadonlyMap<string, number> { return new Map() }
}

function missing(name: string): ShoalError { return new ShoalError('not-found', 'no-such-network', `network ${name} not found`) }
function unsupported(): never { throw new ShoalError('not-implemented', 'no-networking', 'this engine was started without networking; only the modes none and host work') }
