import type { NodeAvailability } from '../api/swarm/specs.ts'
import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import { fetchRootCa, requestCertificate } from '../ca/ca-client.ts'
import { parseJoinToken } from '../ca/join-token.ts'
import { fixedCredentials } from '../platform/rpc/credentials-source.ts'
import { GrpcDialer, createInsecureDialer } from '../platform/rpc/grpc-dialer.ts'
import { hostOf, portOf } from './address-parts.ts'
import { localAddressTowards, resolveAddress, resolveRemote } from './host-address.ts'
import type { NodeCredentials } from './node-certificates.ts'
import type { SwarmState } from './swarm-state.ts'

/** Within the time that clients grant a join. */
const ROOT_TIMEOUT_MS = 20_000

/** What `docker swarm join` says. Addresses but the first remote one may be empty: chosen. */
export interface JoinRequest {
  readonly remoteAddresses: readonly string[]
  readonly token: string
  readonly listenAddress: string
  readonly advertiseAddress: string
  readonly dataPathAddress: string
  readonly availability: NodeAvailability
}

/** A place in a cluster, by the manager at `through`. */
export interface JoinedNode {
  readonly state: SwarmState
  readonly credentials: NodeCredentials
  /** For managers of a cluster with autolock, else empty. */
  readonly unlockKey: string
  readonly through: string
}

/**
 * Gets a node id and its certificate with a join token.
 * @throws ShoalError `bad-address`, `invalid-join-token`, `join-token-needed`, `remote-ca-mismatch`, `manager-unreachable` (unavailable)
 */
export async function joinCluster(request: JoinRequest, clock: Clock): Promise<JoinedNode> {
  parseJoinToken(request.token)
  const remote = request.remoteAddresses[0]
  if (remote === undefined) throw new ShoalError('invalid-argument', 'bad-address', 'at least 1 RemoteAddr is required to join')
  const through = await resolveRemote(remote)
  const listenAddress = resolveAddress(request.listenAddress || '0.0.0.0:2377')
  const advertiseAddress = request.advertiseAddress === '' ? `${await localAddressTowards(through)}:${portOf(listenAddress)}` : resolveAddress(request.advertiseAddress, portOf(listenAddress))
  const rootPem = await fetchRoot(through, request.token, clock)
  const { identity: { nodeId, clusterId, role }, certPem, keyPem, unlockKey } = await requestCertificate({
    dialer: new GrpcDialer({ credentials: fixedCredentials({ rootCertsPem: rootPem }) }), address: through, rootCertPem: rootPem, nowMs: clock.nowMs(), token: request.token, availability: request.availability,
  })
  const dataAddress = request.dataPathAddress === '' ? hostOf(advertiseAddress) : hostOf(resolveAddress(request.dataPathAddress))
  return {
    state: { nodeId, clusterId, role, listenAddress, advertiseAddress, dataAddress, availability: request.availability, managers: [{ nodeId: '', addr: through }] },
    credentials: { certPem, keyPem, rootCertPem: rootPem }, unlockKey, through,
  }
}

/** The root certificate that the token is of. The manager may be starting, so this tries for a while. @throws ShoalError `remote-ca-mismatch`, `manager-unreachable` (unavailable) */
export async function fetchRoot(address: string, token: string, clock: Clock): Promise<string> {
  const timeout = new AbortController()
  const timer = clock.after(ROOT_TIMEOUT_MS, () => timeout.abort(new ShoalError('unavailable', 'manager-unreachable', 'it does not answer')))
  try {
    return await fetchRootCa({ dialer: createInsecureDialer(), address, token, clock, signal: timeout.signal })
  } catch (cause) {
    if (!(cause instanceof ShoalError) || cause.kind !== 'unavailable') throw cause
    throw new ShoalError('unavailable', 'manager-unreachable', `cannot reach a manager at ${address}: check the address, that a manager runs there, and that port ${portOf(address)}/tcp is open (${cause.message})`, { cause })
  } finally {
    timer.cancel()
  }
}
