import { createCertificateRequest } from '../../src/ca/certificate-request.ts'
import { signNodeCertificate } from '../../src/ca/node-certificate.ts'
import { createRootCa, type RootCaKeyPair } from '../../src/ca/root-ca.ts'
import { CryptoRandom } from '../../src/platform/clock/crypto-random.ts'
import type { TlsCredentials } from '../../src/platform/rpc/credentials-source.ts'

/** A cluster's trust, for tests: a root and node certificates by name. */
export interface TestCluster {
  readonly root: RootCaKeyPair
  node(nodeId: string, role: 'worker' | 'manager'): Required<TlsCredentials>
}

export function createTestCluster(clusterId: string): TestCluster {
  const random = new CryptoRandom()
  const root = createRootCa({ nowMs: Date.now(), random })
  return {
    root,
    node: (nodeId, role) => {
      const { csrPem, keyPem } = createCertificateRequest()
      const certPem = signNodeCertificate({ csrPem, root, identity: { nodeId, role, clusterId }, nowMs: Date.now(), random })
      return { rootCertsPem: root.certPem, certPem, keyPem }
    },
  }
}
