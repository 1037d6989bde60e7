import type { ShoalError } from './errors.ts'
import type { RpcContext, RpcDialer, RpcServer } from './rpc.ts'

/**
 * Messages in one direction, each as it is: what managers tell each other many times a second, which as calls would cost several times as much (D-701).
 * Each channel is a connection of its own. Real: src/platform/rpc/message-socket.ts. Twin: memory-messages.ts, with faulty-messages.ts before it.
 */
export interface MessageChannel extends Disposable {
  /**
   * Sends a message behind those before it. It arrives, or the channel closes. Only after onReady.
   * @returns false if much waits already: the next had better wait for onReady
   */
  send(message: Uint8Array): boolean
}

/** What becomes of a channel. Never called from within openMessages() or send(), nor after disposal. Must not throw. */
export interface MessageChannelEvents {
  /** It is connected. Again after send() returned false, when there is room. */
  readonly onReady: () => void
  /** The other side took the first message. */
  readonly onAccepted: () => void
  /** It is over: the receiver's own ShoalError, `no-such-method` if there is none, or `rpc-refused`, `rpc-not-connected`, `rpc-unavailable` as for calls. */
  readonly onClosed: (error: ShoalError) => void
}

/** Opens channels too. */
export interface MessageDialer extends RpcDialer {
  /** @param address "host:port" @param path what the server knows it by: "package.Service/Method" */
  openMessages(address: string, path: string, events: MessageChannelEvents): MessageChannel
}

/** Called for each new channel; gives what takes its messages, one after the other. Either throws a ShoalError to end the channel: its sender is told. */
export type MessageHandler = (context: RpcContext) => (message: Uint8Array) => void

/** Takes channels too, on its addresses with mutual TLS. */
export interface MessageServer extends RpcServer {
  /** Registers before listen(). Twice the same path is an error. @param path "package.Service/Method" */
  handleMessages(path: string, handler: MessageHandler): void
}
