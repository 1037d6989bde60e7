import type { RpcClient, RpcDialer } from '../../base/rpc.ts'
import type { CredentialsSource } from './credentials-source.ts'
import { GrpcClient } from './grpc-client.ts'

/** Dials over gRPC with the source's certificates. */
export class GrpcDialer implements RpcDialer {
  readonly #credentials: CredentialsSource

  constructor(options: { readonly credentials: CredentialsSource }) { this.#credentials = options.credentials }

  dial(address: string): RpcClient { return new GrpcClient({ address, credentials: this.#credentials }) }
}

/** Anonymous and unverified, only for the first GetRootCa before joining: its answer is checked against the join token's digest. */
export function createInsecureDialer(): RpcDialer {
  return new GrpcDialer({ credentials: { current: () => UNVERIFIED } })
}

const UNVERIFIED = { rootCertsPem: '' }
