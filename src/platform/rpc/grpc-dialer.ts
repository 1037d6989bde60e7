import type tls from 'node:tls'
import type { FrameLink, FrameLinkDialer, FrameLinkEvents } from '../../base/frame-link.ts'
import type { MessageChannel, MessageChannelEvents, MessageDialer } from '../../base/message-channel.ts'
import type { RpcClient } from '../../base/rpc.ts'
import { clientContext, type CredentialsSource, type TlsCredentials } from './credentials-source.ts'
import { GrpcClient } from './grpc-client.ts'
import { LinkSocket } from './link-socket.ts'
import { MessageSocket } from './message-socket.ts'

/** Dials over gRPC with the source's certificates, and with the same ones opens channels of messages; links need none. */
export class GrpcDialer implements MessageDialer, FrameLinkDialer {
  readonly #credentials: CredentialsSource
  #used: { readonly credentials: TlsCredentials; readonly context: tls.SecureContext } | undefined

  constructor(options: { readonly credentials: CredentialsSource }) { this.#credentials = options.credentials }

  dial(address: string): RpcClient { return new GrpcClient({ address, credentials: this.#credentials }) }

  openMessages(address: string, path: string, events: MessageChannelEvents): MessageChannel {
    return new MessageSocket({ address, path, events, secureContext: this.#context() })
  }

  openLink(address: string, events: FrameLinkEvents): FrameLink { return new LinkSocket({ address, events }) }

  #context(): tls.SecureContext {
    const credentials = this.#credentials.current()
    if (this.#used?.credentials !== credentials) this.#used = { credentials, context: clientContext(credentials) }
    return this.#used.context
  }
}

/** Anonymous and unverified, only for the first GetRootCa before joining: its answer is checked against the join token's digest. */
export function createInsecureDialer(): FrameLinkDialer {
  return new GrpcDialer({ credentials: { current: () => UNVERIFIED } })
}

const UNVERIFIED = { rootCertsPem: '' }
