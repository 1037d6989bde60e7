import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../base/errors.ts'
import { streamOf } from '../../base/rpc.ts'
import { SeededRandom } from '../clock/seeded-random.ts'
import { frameRecords, unframeRecords } from './framed-records.ts'
import { openStream, readLabel, sealStream } from './sealed-stream.ts'

const LABEL = { clusterId: 'c1', createdAtMs: 1_700_000_000_000, productVersion: '0.1.0' }

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}
const seal = async (...content: readonly Uint8Array[]): Promise<Buffer> => bytesOf(sealStream(LABEL, 'correct horse', streamOf(...content)))
const open = async (sealed: Uint8Array, passphrase = 'correct horse'): Promise<Buffer> => bytesOf((await openStream(streamOf(sealed), passphrase)).content)
const failsWith = (promise: Promise<unknown>, code: string): Promise<void> => assert.rejects(promise, error => hasCode(error, code))

test('what was sealed opens with its passphrase, whatever its size, and shows its label without', async () => {
  const random = new SeededRandom(3)
  for (const size of [0, 1, 1024 * 1024, 1024 * 1024 + 1, 3_500_000]) {
    const content = Buffer.from(random.bytes(size))
    const sealed = await seal(content.subarray(0, size / 3), content.subarray(size / 3))
    assert.ok((await open(sealed)).equals(content), `${size} bytes`)
    assert.deepEqual(await readLabel(streamOf(sealed)), LABEL)
  }
})

test('nothing of the content is readable in the file, and two files of one content differ', async () => {
  const secret = Buffer.from('the database password'.repeat(100))
  const [one, two] = [await seal(secret), await seal(secret)]
  assert.equal(one.indexOf('database'), -1)
  assert.ok(!one.equals(two))
})

test('a wrong passphrase is told from a damaged file where that can be told', async () => {
  const sealed = await seal(Buffer.alloc(2_500_000, 7))
  await failsWith(open(sealed, 'wrong'), 'backup-wrong-passphrase')
  sealed[sealed.length - 100] = (sealed[sealed.length - 100] ?? 0) ^ 1
  await failsWith(open(sealed), 'backup-damaged')
})

test('every cut, every flipped byte and every exchanged part is noticed', async () => {
  const sealed = await seal(Buffer.alloc(2_200_000, 7))
  const random = new SeededRandom(11)
  const ends = [0, 5, 8, 40, 1024 * 1024, sealed.length - 1, ...Array.from({ length: 12 }, () => Math.floor(random.next() * sealed.length))]
  for (const end of ends) await assert.rejects(open(sealed.subarray(0, end)), `cut at ${end}`)
  for (const at of [0, 7, 8, 13, 30, ...Array.from({ length: 12 }, () => Math.floor(random.next() * sealed.length)), sealed.length - 1]) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(random.next() * 8))
    await assert.rejects(open(changed), `changed at ${at}`)
  }
  const headerEnd = 12 + sealed.readUInt32LE(8)
  const part = (sealed.readUInt32LE(headerEnd) & 0x7fffffff) + 4
  const swapped = Buffer.concat([sealed.subarray(0, headerEnd), sealed.subarray(headerEnd + part, headerEnd + 2 * part), sealed.subarray(headerEnd, headerEnd + part), sealed.subarray(headerEnd + 2 * part)])
  await assert.rejects(open(swapped))
  const withoutMiddle = Buffer.concat([sealed.subarray(0, headerEnd + part), sealed.subarray(headerEnd + 2 * part)])
  await failsWith(open(withoutMiddle), 'backup-damaged')
  await failsWith(open(Buffer.concat([sealed, Buffer.from('x')])), 'backup-damaged')
})

test('what is no backup, of a later version, or asks for absurd work is refused at once', async () => {
  await failsWith(open(Buffer.from('PK\u0003\u0004 a zip file')), 'backup-not-one')
  await failsWith(open(Buffer.alloc(0)), 'backup-not-one')
  const sealed = await seal(Buffer.from('x'))
  const later = Buffer.from(sealed)
  later[7] = '2'.charCodeAt(0)
  await failsWith(open(later), 'backup-version')
  const greedy = Buffer.from(sealed.toString('latin1').replace('"N":32768', '"N":99999999').replace(/^(.{8})/s, '$1'), 'latin1')
  greedy.writeUInt32LE(greedy.readUInt32LE(8) + 3, 8)
  await failsWith(open(greedy), 'backup-damaged')
})

test('records come back one by one, and a cut among them is noticed', async () => {
  const records = [Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(70_000, 1)]
  const framed = await bytesOf(frameRecords(streamOf(...records)))
  const back: Uint8Array[] = []
  for await (const record of unframeRecords(streamOf(framed.subarray(0, 3), framed.subarray(3)))) back.push(record)
  assert.deepEqual(back.map(record => record.length), [0, 1, 70_000])
  await failsWith(bytesOf(unframeRecords(streamOf(framed.subarray(0, -1)))), 'backup-damaged')
})
