/**
 * Where plain containers get addresses of overlay networks from (`docker run --network` of an attachable one): whoever knows the cluster.
 * An address that a container was created with, as the cluster's own tasks are, is taken as given and never asked for here.
 */
export interface OverlayAttachments {
  /** Whether the cluster has a network of this name or id that containers may join. */
  isAttachable(networkRef: string): Promise<boolean>
  /**
   * Takes an address and waits until the network has been applied to this host.
   * @param request.address wanted one, or empty
   * @throws `no-such-network` (not-found), `network-not-attachable` (permission-denied: "network X not manually attachable")
   */
  acquire(request: { readonly networkRef: string; readonly containerId: string; readonly address: string }, signal?: AbortSignal): Promise<{ readonly networkId: string; readonly address: string }>
  /** Gives back whatever a container has; idempotent, and nothing for containers that never acquired. */
  release(containerId: string): Promise<void>
}
