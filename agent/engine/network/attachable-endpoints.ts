import type { EndpointSettings } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { NetworkedContainer } from './container-networks.ts'
import type { OverlayAttachments } from './overlay-attachments.ts'

/** What this host knows of a network by a reference. */
export type KnownNetwork = 'local' | 'overlay' | 'unknown'

/** Fills in the addresses that plain containers need on overlays. Local networks have addresses of their own. */
export class AttachableEndpoints {
  readonly #attachments: OverlayAttachments | undefined
  readonly #know: (ref: string) => KnownNetwork

  constructor(attachments: OverlayAttachments | undefined, know: (ref: string) => KnownNetwork) {
    this.#attachments = attachments
    this.#know = know
  }

  /** Networks of the container that only the cluster can vouch for, and does. */
  async attachable(container: NetworkedContainer): Promise<ReadonlySet<string>> {
    const unknown = networkRefs(container).filter(ref => this.#know(ref) === 'unknown')
    const found = await Promise.all(unknown.map(async ref => (await this.#attachments?.isAttachable(ref) === true ? [ref] : [])))
    return new Set(found.flat())
  }

  /** @returns `ref`, if the cluster has such a network for containers to join @throws `no-such-network` (not-found) */
  async checked(ref: string): Promise<string> {
    if (await this.#attachments?.isAttachable(ref) !== true) throw new ShoalError('not-found', 'no-such-network', `network ${ref} not found`)
    return ref
  }

  /** The container with an address for every overlay that it named none for. What was acquired is given back on failure. */
  async complete(container: NetworkedContainer): Promise<NetworkedContainer> {
    const endpoints: Record<string, EndpointSettings> = { ...container.endpoints }
    try {
      for (const ref of networkRefs(container)) endpoints[ref] = await this.completeOne(container, ref, endpoints[ref] ?? {})
    } catch (error) {
      await this.#attachments?.release(container.id)
      throw error
    }
    return { ...container, endpoints }
  }

  async completeOne(container: Pick<NetworkedContainer, 'id' | 'name'>, ref: string, settings: EndpointSettings): Promise<EndpointSettings> {
    const address = settings.IPAMConfig?.IPv4Address ?? ''
    if (this.#attachments === undefined || this.#know(ref) === 'local') return settings
    const acquired = await this.#attachments.acquire({ networkRef: ref, containerId: container.id, address, names: [container.name, ...settings.Aliases ?? []] })
    return { ...settings, IPAMConfig: { ...settings.IPAMConfig, IPv4Address: acquired.address.split('/')[0] ?? '' } }
  }

  async release(containerId: string, networkId?: string): Promise<void> { await this.#attachments?.release(containerId, networkId) }
}

/** The networks that a container wants: that of its mode first, unless it has left it, then the others by name. */
export function networkRefs(container: NetworkedContainer): readonly string[] {
  if (container.mode === 'host' || container.mode === 'none' || container.mode.startsWith('container:')) return []
  const others = Object.keys(container.endpoints).sort().map(ref => (ref === 'default' ? 'bridge' : ref))
  return [...new Set(container.hasLeftMode === true ? others : [modeNetwork(container), ...others])]
}

/** The network that a container's mode names. */
export function modeNetwork(container: NetworkedContainer): string {
  return container.mode === 'default' || container.mode === '' ? 'bridge' : container.mode
}
