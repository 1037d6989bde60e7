import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createTestCluster } from '../../../test/support/test-cluster.ts'
import { CertificateFiles } from './certificate-files.ts'

const CLUSTER = createTestCluster('c')

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-certs-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test('what was saved is loaded, the key readable only by its owner, nothing else left behind', () => inFolder(async folder => {
  const files = new CertificateFiles(join(folder, 'certificates'))
  assert.equal(await files.load(), undefined)
  await files.saveRoot(CLUSTER.root.certPem)
  assert.deepEqual(await files.load(), { rootCertPem: CLUSTER.root.certPem })
  for (const pair of [CLUSTER.node('a', 'worker'), CLUSTER.node('a', 'manager')]) {
    await files.saveNode(pair)
    assert.deepEqual(await files.load(), { rootCertPem: CLUSTER.root.certPem, certPem: pair.certPem, keyPem: pair.keyPem })
  }
  assert.equal((await stat(join(folder, 'certificates/swarm-node.key'))).mode & 0o777, 0o600)
  assert.deepEqual((await readdir(join(folder, 'certificates'))).sort(), ['swarm-node.crt', 'swarm-node.key', 'swarm-root-ca.crt'])
  await files.clear()
  assert.equal(await files.load(), undefined)
}))

test('a crash between moving the key and moving the certificate loses neither, nor does one while the next pair is saved', () => inFolder(async folder => {
  const files = new CertificateFiles(folder)
  await files.saveRoot(CLUSTER.root.certPem)
  const next = CLUSTER.node('a', 'manager')
  await files.saveNode(next)
  await copyFile(join(folder, 'swarm-node.crt'), join(folder, 'swarm-node.crt.next'))
  const other = new CertificateFiles(join(folder, 'old'))
  await other.saveNode(CLUSTER.node('a', 'worker'))
  await copyFile(join(folder, 'old/swarm-node.crt'), join(folder, 'swarm-node.crt'))
  assert.equal((await files.load())?.certPem, next.certPem)
  const last = CLUSTER.node('a', 'worker')
  await files.saveNode(last)
  assert.deepEqual(await files.load(), { rootCertPem: CLUSTER.root.certPem, certPem: last.certPem, keyPem: last.keyPem })
  // A half-written certificate that a crash left is no hindrance.
  await writeFile(join(folder, 'swarm-node.crt.next'), last.certPem.slice(0, 100))
  assert.equal((await files.load())?.certPem, last.certPem)
  await files.saveNode(next)
  assert.equal((await files.load())?.certPem, next.certPem)
}))

test('another process may read while pairs are saved: it sees one pair or the other, and is in nobody\'s way', () => inFolder(async folder => {
  const [writer, reader] = [new CertificateFiles(folder), new CertificateFiles(folder)]
  await writer.saveRoot(CLUSTER.root.certPem)
  const pairs = Array.from({ length: 10 }, () => CLUSTER.node('a', 'worker'))
  const saving = (async () => { for (const pair of pairs) await writer.saveNode(pair) })()
  let isSaving = true
  const reading = (async () => {
    while (isSaving) {
      const { certPem, keyPem } = await reader.load() ?? {}
      if (certPem !== undefined) assert.equal(pairs.find(pair => pair.certPem === certPem)?.keyPem, keyPem)
    }
  })()
  await saving.finally(() => { isSaving = false })
  await reading
  assert.equal((await reader.load())?.certPem, pairs.at(-1)?.certPem)
}))
