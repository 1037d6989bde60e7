import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { make } from '../api/codec/codec.ts'
import { CA_RPC } from '../api/codec/methods.ts'
import { ShoalError } from '../base/errors.ts'
import { unaryHandler, type RpcMethod } from '../base/rpc.ts'
import { createCertificateRequest } from '../ca/certificate-request.ts'
import { readNodeCertificate, signNodeCertificate } from '../ca/node-certificate.ts'
import { createRootCa } from '../ca/root-ca.ts'
import { CertificateFiles } from '../platform/certificates/certificate-files.ts'
import { CryptoRandom } from '../platform/clock/crypto-random.ts'
import { FakeClock } from '../platform/clock/fake-clock.ts'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { MemoryLogger } from '../platform/log/memory-logger.ts'
import { GrpcDialer } from '../platform/rpc/grpc-dialer.ts'
import { KeyRing } from '../platform/storage/key-ring.ts'
import { GrpcServer } from '../platform/rpc/grpc-server.ts'
import { NodeCertificates, completeCredentials } from './node-certificates.ts'
import { WatchedCertificates } from './watched-certificates.ts'

const HOUR_MS = 3_600_000
/** 80 % of an hour and the hour by which certificates are backdated. Real TLS looks at the real clock, so the fake one must not run an hour ahead of it. */
const RENEWED_BY_MS = 0.6 * HOUR_MS
const text = { encodeRequest: (value: string) => new TextEncoder().encode(value), decodeRequest: (bytes: Uint8Array) => new TextDecoder().decode(bytes) }
const WHO: RpcMethod<string, string> = { path: 'test.v1.Test/Who', kind: 'unary', ...text, encodeResponse: text.encodeRequest, decodeResponse: text.decodeRequest }

/** A manager whose own certificates are followed from its folder, over real TLS; a clock that only the test moves. Certificates live for an hour, the shortest time that a cluster may be set to. */
async function world(body: (world: World) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-certs-'))
  const clock = new FakeClock(Date.now())
  const [random, logger] = [new CryptoRandom(), new MemoryLogger()]
  const root = createRootCa({ nowMs: clock.nowMs(), random })
  const ca = { nodeId: 'n0', role: 'manager' as 'manager' | 'worker', isAway: false, asked: 0 }
  const sign = (csrPem: string): string => signNodeCertificate({ csrPem, root, identity: { nodeId: ca.nodeId, role: ca.role, clusterId: 'c1' }, nowMs: clock.nowMs(), validityMs: HOUR_MS, random })
  const files = new CertificateFiles(folder)
  const { csrPem, keyPem } = createCertificateRequest()
  const addresses: string[] = []
  const certificates = new NodeCertificates({
    files, clock, random: new SeededRandom(7), logger, managers: () => addresses, createDialer: credentials => new GrpcDialer({ credentials }), onUnlockKey: () => {},
  }, { certPem: sign(csrPem), keyPem, rootCertPem: root.certPem })
  await certificates.save()
  const watched = await WatchedCertificates.open(folder, new KeyRing(), logger)
  const server = new GrpcServer({ credentials: watched.source, logger })
  server.handle(CA_RPC.issueCertificate, unaryHandler(async (request, { identity }) => {
    ca.asked++
    if (ca.isAway) throw new ShoalError('unavailable', 'cluster-not-ready', 'no leader')
    assert.equal(identity?.clusterId, 'c1')
    const certPem = new TextEncoder().encode(sign(new TextDecoder().decode(request.csrPem)))
    return make('IssueCertificateResponse', { nodeId: ca.nodeId, role: ca.role, certPem, rootCaCertPem: new TextEncoder().encode(root.certPem), clusterId: 'c1' })
  }))
  server.handle(WHO, unaryHandler(async (_, { identity }) => `${identity?.nodeId} ${identity?.role}`))
  addresses.push(`127.0.0.1:${await server.listen('127.0.0.1:0')}`)
  try {
    await body({ folder, clock, files, certificates, watched, ca, logger, addresses, root: root.certPem })
  } finally {
    await certificates[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
    watched[Symbol.dispose]()
    await rm(folder, { recursive: true, force: true })
  }
}
interface World {
  readonly folder: string
  readonly clock: FakeClock
  readonly files: CertificateFiles
  readonly certificates: NodeCertificates
  readonly watched: WatchedCertificates
  readonly ca: { nodeId: string; role: 'manager' | 'worker'; isAway: boolean; asked: number }
  readonly logger: MemoryLogger
  readonly addresses: string[]
  readonly root: string
}

/** Waits for what real sockets and files bring; the test's own time limit ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>(resolve => { setImmediate(resolve) })
}
/** Common name of the certificate that a new connection to a server meets. */
async function servedName(address: string): Promise<unknown> {
  const [host, port] = address.split(':')
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] })
  await new Promise<void>((resolve, reject) => { socket.once('secureConnect', resolve).once('error', reject) })
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return subject.CN
}
const currentOf = ({ certificates }: World): string => certificates.source.current().certPem ?? ''

test('a certificate is renewed between 50 and 80 % of its validity, and not before', { timeout: 20_000 }, () => world(async w => {
  const first = w.certificates.identity()
  const validityMs = first.notAfterMs - first.notBeforeMs
  w.certificates.start()
  while (w.ca.asked === 0) {
    await w.clock.advance(30_000)
    assert.ok(w.clock.nowMs() < first.notBeforeMs + validityMs * 0.8 + 30_000, 'it was not renewed at 80 %')
  }
  assert.ok(w.clock.nowMs() >= first.notBeforeMs + validityMs * 0.5)
  await until(() => w.certificates.identity().notAfterMs > first.notAfterMs)
  assert.equal((await w.files.load())?.certPem, currentOf(w))
}))

test('after a renewal the agent dials and the manager answers with the new certificate', { timeout: 20_000 }, () => world(async w => {
  await using client = new GrpcDialer({ credentials: w.certificates.source }).dial(w.addresses[0] ?? '')
  assert.deepEqual([await client.unary(WHO, ''), await servedName(w.addresses[0] ?? '')], ['n0 manager', 'n0'])
  // Another name only so that the new certificate can be told from the old one.
  w.ca.nodeId = 'n1'
  w.certificates.start()
  await w.clock.advance(RENEWED_BY_MS)
  await until(() => w.certificates.identity().nodeId === 'n1')
  await until(() => w.watched.source.current().certPem === currentOf(w))
  assert.deepEqual([await client.unary(WHO, ''), await servedName(w.addresses[0] ?? '')], ['n1 manager', 'n1'])
}))

test('while no manager signs, renewal is tried again and the old certificate stays', { timeout: 20_000 }, () => world(async w => {
  const before = currentOf(w)
  w.ca.isAway = true
  w.certificates.start()
  await w.clock.advance(RENEWED_BY_MS)
  await until(() => w.logger.lines.some(line => line.level === 'warn'))
  assert.equal(currentOf(w), before)
  w.ca.isAway = false
  await w.clock.advance(10_000)
  await until(() => currentOf(w) !== before)
}))

test('a new role comes with the next certificate', { timeout: 20_000 }, () => world(async w => {
  w.ca.role = 'worker'
  await w.certificates.renew()
  assert.equal(w.certificates.identity().role, 'worker')
  assert.equal(readNodeCertificate((await w.files.load())?.certPem ?? '').role, 'worker')
}))

test('another manager is asked when the first is gone; without any the error says so', { timeout: 20_000 }, () => world(async w => {
  const before = currentOf(w)
  w.addresses.unshift('127.0.0.1:1')
  await w.certificates.renew()
  assert.notEqual(currentOf(w), before)
  w.addresses.splice(0)
  await assert.rejects(w.certificates.renew(), { code: 'no-manager' })
}))

test('a root that comes during a renewal is kept beside the renewed certificate', { timeout: 20_000 }, () => world(async w => {
  const other = createRootCa({ nowMs: w.clock.nowMs(), random: new CryptoRandom() }).certPem
  const before = currentOf(w)
  const renewed = w.certificates.renew()
  w.certificates.trust(w.root + other)
  await renewed
  await until(() => w.certificates.rootPem === w.root + other)
  assert.notEqual(currentOf(w), before)
  await until(() => w.watched.source.current().rootCertsPem === w.root + other)
  const stored = completeCredentials(await w.files.load(), w.folder)
  assert.deepEqual([stored.rootCertPem, stored.certPem], [w.root + other, currentOf(w)])
}))

test('a host without a certificate says what to do', () => {
  assert.throws(() => completeCredentials({ rootCertPem: 'x' }, '/f'), { code: 'certificates-missing', message: /\/f.*swarm leave --force/ })
})
