export interface AttachRequest {
  readonly networkRef: string
  readonly containerId: string
  /** Wanted one, or empty. */
  readonly address: string
  /** What others on the network find the container by, beside its short id. */
  readonly names: readonly string[]
}

/**
 * Where plain containers get addresses of overlay networks from (`docker run --network` of an attachable one): whoever knows the cluster.
 * The cluster's own tasks come with their addresses: for them, acquire() answers what was asked for.
 */
export interface OverlayAttachments {
  /** Whether the cluster has a network of this name or id that containers may join. */
  isAttachable(networkRef: string): Promise<boolean>
  /**
   * Takes an address and waits until the network has been applied to this host.
   * @throws `no-such-network` (not-found), `network-not-attachable` (permission-denied: "network X not manually attachable")
   */
  acquire(request: AttachRequest, signal?: AbortSignal): Promise<{ readonly networkId: string; readonly address: string }>
  /** Gives back whatever a container has, or what it has on one network; idempotent, and nothing for containers that never acquired. */
  release(containerId: string, networkId?: string): Promise<void>
}
