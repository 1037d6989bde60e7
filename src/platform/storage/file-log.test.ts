import assert from 'node:assert/strict'
import { copyFile, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { texts } from '../../../test/conformance/append-log.ts'
import { crc32c } from './crc32c.ts'
import { FileLog } from './file-log.ts'
import { FILE_HEADER_BYTES } from './log-format.ts'

const root = await mkdtemp(join(tmpdir(), 'shoal-file-log-'))
after(() => rm(root, { recursive: true }))
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A log of flushed records, as the disk has it after a power cut: no close, so the newest mark may be missing. */
async function logFile(name: string, records: readonly string[], options: { readonly marks: boolean }): Promise<string> {
  const path = join(root, name)
  const log = await FileLog.open(path)
  for (const record of records) await log.append([bytes(record)])
  const copy = `${path}.copy`
  await copyFile(path, copy)
  await log[Symbol.asyncDispose]()
  if (!options.marks) await wipe(copy, 16, FILE_HEADER_BYTES - 16)
  return copy
}

async function wipe(path: string, at: number, count: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(count), 0, count, at)
  await file.close()
}

async function reopened(path: string): Promise<string[]> {
  await using log = await FileLog.open(path)
  return texts(log)
}

test('CRC-32C has the check value of RFC 3720, also in parts', () => {
  assert.equal(crc32c(bytes('123456789')), 0xe3069283)
  assert.equal(crc32c(bytes('6789'), crc32c(bytes('12345'))), 0xe3069283)
})

test('a tail torn at any byte is cut, and what was flushed before stays', async () => {
  const whole = await logFile('torn', ['first', 'second', 'third'], { marks: false })
  const { size } = await stat(whole)
  const contents = await readFile(whole)
  const cut = `${whole}.cut`
  for (let length = FILE_HEADER_BYTES; length < size; length += 3) {
    await writeFile(cut, contents.subarray(0, length))
    const survived = await reopened(cut)
    assert.deepEqual(survived, ['first', 'second', 'third'].slice(0, survived.length))
    assert.deepEqual(await reopened(cut), survived, 'the cut is kept')
  }
})

test('appending goes on after a torn tail was cut', async () => {
  const path = await logFile('goes-on', ['first', 'second'], { marks: false })
  await truncate(path, (await stat(path)).size - 2)
  await using log = await FileLog.open(path)
  await log.append([bytes('third')])
  assert.deepEqual(await texts(log), ['first', 'third'])
})

test('a byte flipped anywhere before the last group is damage, and the message tells file and way out', async () => {
  const whole = await logFile('flipped', ['first', 'second', 'third'], { marks: false })
  const contents = await readFile(whole)
  const lastGroup = contents.lastIndexOf('SGRP')
  const flipped = `${whole}.flipped`
  for (let at = FILE_HEADER_BYTES; at < lastGroup; at += 1) {
    const damagedContents = Buffer.from(contents)
    damagedContents[at] = (damagedContents[at] as number) ^ 0x40
    await writeFile(flipped, damagedContents)
    await assert.rejects(FileLog.open(flipped), { code: 'log-damaged', message: /flipped is damaged at offset \d+.*let it join again/s }, `offset ${at}`)
  }
})

test('an acknowledged last record that is damaged or cut is noticed by the mark', async () => {
  const path = await logFile('mark', ['first', 'second'], { marks: true })
  const { size } = await stat(path)
  const cut = `${path}.cut`
  await copyFile(path, cut)
  await truncate(cut, size - 1)
  await assert.rejects(FileLog.open(cut), { code: 'log-damaged' })
  await wipe(path, size - 2, 2)
  await assert.rejects(FileLog.open(path), { code: 'log-damaged' })
})

test('a file of a later format is refused, as is one that is no log', async () => {
  const path = await logFile('format', ['first'], { marks: true })
  const contents = await readFile(path)
  contents.writeUInt32LE(2, 8)
  contents.writeUInt32LE(crc32c(contents.subarray(0, 12)), 12)
  await writeFile(path, contents)
  await assert.rejects(FileLog.open(path), { code: 'log-format-unknown' })
  await writeFile(path, 'something else')
  await assert.rejects(FileLog.open(path), { code: 'log-damaged' })
})

test('a rewrite that did not get to its rename leaves the old log', async () => {
  const path = await logFile('rewrite', ['old'], { marks: true })
  await writeFile(`${path}.new`, 'half of a new log')
  assert.deepEqual(await reopened(path), ['old'])
})

test('records larger than a group come back whole', async () => {
  const path = join(root, 'large')
  const large = 'x'.repeat(9 * 1024 * 1024)
  await using log = await FileLog.open(path)
  await log.append([bytes('small'), bytes(large), bytes('small')])
  assert.deepEqual((await texts(log)).map(text => text.length), [5, large.length, 5])
})

test('a closed log refuses appends, and closing twice is harmless', async () => {
  const log = await FileLog.open(join(root, 'closed'))
  await log[Symbol.asyncDispose]()
  await log[Symbol.asyncDispose]()
  await assert.rejects(log.append([bytes('late')]), { code: 'log-closed' })
})

test('after a failed write nothing is acknowledged any more', async () => {
  // A rewrite needs its temporary file; a directory in that place makes it fail as a full disk would.
  const path = join(root, 'failing', 'log')
  await using log = await FileLog.open(path)
  await log.append([bytes('first')])
  await rm(join(root, 'failing'), { recursive: true })
  await assert.rejects(log.rewrite([bytes('second')]), { code: 'log-write-failed' })
  await assert.rejects(log.append([bytes('third')]), { code: 'log-write-failed' })
})
