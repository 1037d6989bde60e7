import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CA_RPC } from '../api/codec/methods.ts'
import { make } from '../api/codec/codec.ts'
import { ShoalError } from '../base/errors.ts'
import { unaryHandler } from '../base/rpc.ts'
import { CryptoRandom } from '../platform/clock/crypto-random.ts'
import { FakeClock } from '../platform/clock/fake-clock.ts'
import { MemoryNetwork } from '../platform/rpc/memory-rpc.ts'
import { fetchRootCa, requestCertificate } from './ca-client.ts'
import { createJoinToken, roleOfToken } from './join-token.ts'
import { signNodeCertificate } from './node-certificate.ts'
import { createRootCa } from './root-ca.ts'

const random = new CryptoRandom()

async function world() {
  const clock = new FakeClock()
  const network = new MemoryNetwork({ clock })
  const root = createRootCa({ nowMs: clock.nowMs(), random })
  const tokens = { worker: createJoinToken(root.certPem, random), manager: createJoinToken(root.certPem, random) }
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  const start = async (): Promise<void> => {
    const server = network.createServer()
    server.handle(CA_RPC.getRootCa, unaryHandler(async () => ({ certPem: bytes(root.certPem) })))
    server.handle(CA_RPC.issueCertificate, unaryHandler(async ({ csrPem, token }) => {
      const role = roleOfToken(token, tokens)
      if (role === undefined) throw new ShoalError('invalid-argument', 'join-token-needed', 'A valid join token is necessary to join this cluster')
      const identity = { nodeId: 'new1', role, clusterId: 'c1' }
      const certPem = signNodeCertificate({ csrPem: new TextDecoder().decode(csrPem), root, identity, nowMs: clock.nowMs(), random })
      return make('IssueCertificateResponse', { nodeId: 'new1', role, certPem: bytes(certPem), rootCaCertPem: bytes(root.certPem), clusterId: 'c1' })
    }))
    await server.listen('m:1')
  }
  return { clock, dialer: network.createDialer(), root, tokens, start, address: 'm:1' }
}

test('a node joins: fetches the root, checks it, gets a certificate in the role of its token', async () => {
  const { clock, dialer, root, tokens, start, address } = await world()
  await start()
  assert.equal(await fetchRootCa({ dialer, address, token: tokens.manager, clock }), root.certPem)
  const issued = await requestCertificate({ dialer, address, rootCertPem: root.certPem, nowMs: clock.nowMs(), token: tokens.manager })
  assert.deepEqual([issued.identity.nodeId, issued.identity.role, issued.identity.clusterId], ['new1', 'manager', 'c1'])
})

test('fetching the root is tried again while the manager is away', async () => {
  const { clock, dialer, root, tokens, start, address } = await world()
  const fetched = fetchRootCa({ dialer, address, token: tokens.worker, clock })
  await clock.advance(5_000)
  await start()
  await clock.advance(2_000)
  assert.equal(await fetched, root.certPem)
  const gone = assert.rejects(fetchRootCa({ dialer, address: 'nowhere:1', token: tokens.worker, clock }), { kind: 'unavailable' })
  await clock.advance(20_000)
  await gone
})

test('a wrong token, of another cluster or made up, is refused', async () => {
  const { clock, dialer, root, start, address } = await world()
  await start()
  const foreign = createJoinToken(createRootCa({ nowMs: clock.nowMs(), random }).certPem, random)
  await assert.rejects(fetchRootCa({ dialer, address, token: foreign, clock }), { code: 'remote-ca-mismatch' })
  const madeUp = createJoinToken(root.certPem, random)
  await assert.rejects(requestCertificate({ dialer, address, rootCertPem: root.certPem, nowMs: clock.nowMs(), token: madeUp }), /valid join token is necessary/)
})
