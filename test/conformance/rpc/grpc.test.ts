import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import { GrpcDialer } from '../../../src/platform/rpc/grpc-dialer.ts'
import { GrpcServer } from '../../../src/platform/rpc/grpc-server.ts'
import { fixedCredentials } from '../../../src/platform/rpc/credentials-source.ts'
import { createTestCluster } from '../../support/test-cluster.ts'
import { rpcConformance } from './rpc-suite.ts'

const CLUSTER = createTestCluster('cluster1')

rpcConformance('grpc', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-rpc-'))
  let sockets = 0
  return {
    createServer: () => new GrpcServer({ credentials: fixedCredentials(CLUSTER.node('server', 'manager')), logger: new MemoryLogger() }),
    createDialer: identity => new GrpcDialer({
      credentials: fixedCredentials(identity === undefined ? { rootCertsPem: CLUSTER.root.certPem } : CLUSTER.node(identity.nodeId, identity.role)),
    }),
    host: '127.0.0.1',
    unixAddress: () => `unix:${join(folder, `s${sockets++}`)}`,
    elapse: ms => delay(ms),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
})
