import { make } from '../src/api/codec/codec.ts'
import type { GetRootCaResponse, IssueCertificateRequest, IssueCertificateResponse } from '../src/api/swarm/ca.ts'
import { nodeCertExpiryMsOf } from '../src/api/swarm/defaults.ts'
import type { Cluster, RootCa } from '../src/api/swarm/objects.ts'
import type { NodeRole } from '../src/api/swarm/specs.ts'
import type { Clock } from '../src/base/clock.ts'
import { ShoalError } from '../src/base/errors.ts'
import { createId } from '../src/base/ids.ts'
import type { Random } from '../src/base/random.ts'
import type { RpcContext } from '../src/base/rpc.ts'
import { roleOfToken } from '../src/ca/join-token.ts'
import { signNodeCertificate } from '../src/ca/node-certificate.ts'
import type { ObjectStore } from './store/object-store.ts'

/** What CertificateService works with. */
export interface CertificateComponents { readonly store: ObjectStore; readonly clock: Clock; readonly random: Random }

/** The cluster's certificate authority: hands out the root, admits new nodes by token, renews certificates of known ones (X02..X07). */
export class CertificateService {
  readonly #deps: CertificateComponents

  constructor(components: CertificateComponents) { this.#deps = components }

  getRootCa(): GetRootCaResponse {
    return { certPem: this.#authority().rootCa.certPem }
  }

  /**
   * With a valid certificate of a known node: a new one in the node's role of now. Else with a join token: a new node.
   * @throws ShoalError `join-token-needed` (invalid-argument), `node-removed` (permission-denied), `bad-certificate-request`
   */
  async issue(request: IssueCertificateRequest, context: RpcContext): Promise<IssueCertificateResponse> {
    const csrPem = new TextDecoder().decode(request.csrPem)
    if (context.identity !== undefined) {
      const node = this.#deps.store.view().get('node', context.identity.nodeId)
      if (node === undefined) throw new ShoalError('permission-denied', 'node-removed', `node ${context.identity.nodeId} was removed from the swarm (docker node rm): to use that host again, run docker swarm leave --force there and join anew`)
      return this.#sign(csrPem, node.id, node.role)
    }
    const { rootCa } = this.#authority()
    const role = roleOfToken(request.token, rootCa.joinTokens ?? { worker: '', manager: '' })
    if (role === undefined) throw new ShoalError('invalid-argument', 'join-token-needed', 'A valid join token is necessary to join this cluster')
    const nodeId = createId(this.#deps.random)
    // Signed first: a request that can not be signed leaves no node behind.
    const response = this.#sign(csrPem, nodeId, role)
    const node = make('Node', { id: nodeId, role, spec: { annotations: {}, role, availability: request.availability }, status: { state: 'unknown' } })
    await this.#deps.store.update(tx => tx.create('node', node), context.signal)
    return response
  }

  #sign(csrPem: string, nodeId: string, role: NodeRole): IssueCertificateResponse {
    const { cluster, rootCa } = this.#authority()
    const { clock, random } = this.#deps
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
    const certPem = signNodeCertificate({
      csrPem, root: { certPem: text(rootCa.certPem), keyPem: text(rootCa.keyPem) }, identity: { nodeId, role, clusterId: cluster.id },
      nowMs: clock.nowMs(), validityMs: nodeCertExpiryMsOf(cluster), random,
    })
    return { nodeId, certPem: new TextEncoder().encode(certPem), role, rootCaCertPem: rootCa.certPem, clusterId: cluster.id, unlockKey: role === 'manager' ? cluster.unlockKey : '' }
  }

  #authority(): { readonly cluster: Cluster; readonly rootCa: RootCa } {
    const cluster = this.#deps.store.view().cluster()
    if (cluster?.rootCa === undefined) throw new ShoalError('unavailable', 'cluster-not-ready', 'this manager does not have the state of the cluster yet; try again, or ask another manager')
    return { cluster, rootCa: cluster.rootCa }
  }
}
