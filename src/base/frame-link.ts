import type { RpcContext, RpcDialer, RpcServer } from './rpc.ts'

/**
 * Frames both ways between two processes of one host, each as it is: what a daemon and its manager tell each other for every small call, which as gRPC
 * would cost several times as much (D-707). Real: src/platform/rpc/link-socket.ts and link-receiver.ts. Twin: memory-links.ts.
 */
export interface FrameLink extends Disposable {
  /**
   * Sends a frame of at least one byte behind those before it. It arrives, or the link closes. Who opened the link does it only after onReady.
   * @returns false if much waits already: the next had better wait for onReady
   */
  send(frame: Uint8Array): boolean
  /** No more frames are read; those of what was read already still come. */
  pause(): void
  resume(): void
}

/** What becomes of a link, on either side. Never called from within openLink(), nor after disposal. */
export interface FrameLinkEvents {
  /** A longer frame of the other side ends the link. */
  readonly frameBytesMax: number
  /** The other side is there: to who opened the link. To both, after send() returned false: there is room again. Must not throw. */
  onReady(): void
  /** A frame came. What it throws ends the link. */
  onFrame(frame: Uint8Array): void
  /** It is over: `rpc-refused` or `rpc-not-connected` if it never was ready, else `rpc-unavailable`, or `rpc-failed` if what came made no sense. Must not throw. */
  onClosed(error: Error): void
}

/** Opens links too. */
export interface FrameLinkDialer extends RpcDialer {
  /** @param address "unix:/path", where a FrameLinkServer listens */
  openLink(address: string, events: FrameLinkEvents): FrameLink
}

/** Called for each new link; its side of it may send at once. */
export type FrameLinkHandler = (link: FrameLink, context: RpcContext) => FrameLinkEvents

/** Takes links too, on its Unix sockets: who may connect there is trusted as for calls. */
export interface FrameLinkServer extends RpcServer {
  /** Registers before listen(); once. */
  handleLinks(handler: FrameLinkHandler): void
}
