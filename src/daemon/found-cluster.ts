import { nodeCertExpiryMs } from '../api/swarm/defaults.ts'
import type { ClusterSpec, NodeAvailability } from '../api/swarm/specs.ts'
import type { Clock } from '../base/clock.ts'
import { createId } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import { createCertificateRequest } from '../ca/certificate-request.ts'
import { createJoinToken } from '../ca/join-token.ts'
import { signNodeCertificate } from '../ca/node-certificate.ts'
import { createRootCa } from '../ca/root-ca.ts'
import { createUnlockKey } from '../ca/unlock-key.ts'
import { defaultAdvertise, resolveAddress } from './host-address.ts'
import { hostOf, portOf } from './address-parts.ts'
import type { NodeCredentials } from './node-certificates.ts'
import type { ClusterBootstrap, SwarmState } from './swarm-state.ts'

/** What `docker swarm init` says. Addresses may be empty: chosen. */
export interface InitRequest {
  readonly listenAddress: string
  readonly advertiseAddress: string
  readonly dataPathAddress: string
  readonly dataPathPort: number
  readonly addressPool: readonly string[]
  readonly subnetSize: number
  readonly availability: NodeAvailability
  readonly forceNewCluster: boolean
  readonly spec: ClusterSpec
}

/** A cluster that is not there yet: its first node, that node's certificate, and what its manager is to write. */
export interface FoundedCluster { readonly state: SwarmState; readonly credentials: NodeCredentials; readonly bootstrap: ClusterBootstrap }

/** Makes the identity, keys and tokens of a new cluster. @throws ShoalError `bad-address` */
export function foundCluster(request: InitRequest, { clock, random }: { readonly clock: Clock; readonly random: Random }): FoundedCluster {
  const listenAddress = resolveAddress(request.listenAddress || '0.0.0.0:2377')
  const advertiseAddress = request.advertiseAddress === '' ? defaultAdvertise(listenAddress) : resolveAddress(request.advertiseAddress, portOf(listenAddress))
  const root = createRootCa({ nowMs: clock.nowMs(), random })
  const [nodeId, clusterId] = [createId(random), createId(random)]
  const { csrPem, keyPem } = createCertificateRequest()
  const certPem = signNodeCertificate({ root, csrPem, identity: { nodeId, role: 'manager', clusterId }, nowMs: clock.nowMs(), validityMs: nodeCertExpiryMs(request.spec), random })
  return {
    state: {
      nodeId, clusterId, role: 'manager', listenAddress, advertiseAddress, dataAddress: request.dataPathAddress === '' ? hostOf(advertiseAddress) : hostOf(resolveAddress(request.dataPathAddress)),
      availability: request.availability, managers: [{ nodeId, addr: advertiseAddress }], isFounding: true,
    },
    credentials: { certPem, keyPem, rootCertPem: root.certPem },
    bootstrap: {
      rootCertPem: root.certPem, rootKeyPem: root.keyPem, workerToken: createJoinToken(root.certPem, random), managerToken: createJoinToken(root.certPem, random),
      unlockKey: request.spec.autoLockManagers ? createUnlockKey(random) : '',
      addressPool: request.addressPool, subnetSize: request.subnetSize, dataPathPort: request.dataPathPort, spec: request.spec, availability: request.availability,
    },
  }
}
