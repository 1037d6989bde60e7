import type { RpcDialer } from '../base/rpc.ts'
import type { CredentialsSource } from '../platform/rpc/credentials-source.ts'
import { GrpcDialer } from '../platform/rpc/grpc-dialer.ts'
import { ownAddress } from './host-address.ts'
import type { SwarmState } from './swarm-state.ts'

/** Dials managers as this node; its own manager where that listens. @param state of this host now */
export function memberDialer(state: () => SwarmState, credentials: CredentialsSource): RpcDialer {
  const dialer = new GrpcDialer({ credentials })
  return { dial: address => dialer.dial(address === state().advertiseAddress ? ownAddress(state()) : address) }
}
