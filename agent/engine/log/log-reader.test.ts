import assert from 'node:assert/strict'
import fs, { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, mock, test } from 'node:test'
import type { LogOptions } from '../../../src/api/engine/engine-calls.ts'
import { formatTime } from './format-time.ts'
import { openLog, parseTime } from './log-reader.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-log-'))
const path = join(root, 'log')
beforeEach(() => { for (const suffix of ['', '.1', '.2']) rmSync(path + suffix, { force: true }) })
after(() => { rmSync(root, { recursive: true, force: true }) })

function rec(atNs: bigint, stream: number, text: string): Buffer {
  const head = Buffer.alloc(16)
  head.writeBigUInt64LE(atNs, 0)
  head[8] = stream
  head.writeUInt32BE(Buffer.byteLength(text), 12)
  return Buffer.concat([head, Buffer.from(text)])
}

/** Frames as "stream:text". */
async function read(options: Partial<LogOptions> = {}, changed?: () => Promise<boolean>): Promise<string[]> {
  const chunks: Buffer[] = []
  const source = { path, filesMax: 3, tty: false, attributes: 'a=b', changed: changed === undefined ? undefined : () => changed() }
  for await (const chunk of openLog(source, { stdout: true, stderr: true, ...options })) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  const frames: string[] = []
  for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt32BE(at + 4)) frames.push(`${bytes[at]}:${bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at + 4)).toString()}`)
  return frames
}

test('each line is a frame, also when it was written in pieces among other streams', async () => {
  writeFileSync(path, Buffer.concat([rec(1n, 1, 'a\nb'), rec(2n, 2, 'err\n'), rec(3n, 1, 'b\nc\n')]))
  assert.deepEqual(await read(), ['1:a\n', '2:err\n', '1:bb\n', '1:c\n'])
})

test('a line without an end is the last frame', async () => {
  writeFileSync(path, rec(1n, 1, 'a\nrest'))
  assert.deepEqual(await read(), ['1:a\n', '1:rest'])
  assert.deepEqual(await read({ tail: 1 }), ['1:rest'])
})

test('a torn record at the end is not read', async () => {
  writeFileSync(path, Buffer.concat([rec(1n, 1, 'a\n'), rec(2n, 1, 'lost\n').subarray(0, 18)]))
  assert.deepEqual(await read(), ['1:a\n'])
})

test('tail, time window, streams, timestamps and details', async () => {
  writeFileSync(path, Buffer.concat([rec(1_000_000_000n, 1, 'one\n'), rec(2_000_000_000n, 2, 'two\n'), rec(3_000_000_000n, 1, 'three\n')]))
  assert.deepEqual(await read({ tail: 2 }), ['2:two\n', '1:three\n'])
  assert.deepEqual(await read({ tail: 0 }), [])
  assert.deepEqual(await read({ since: '2', until: '2.5' }), ['2:two\n'])
  assert.deepEqual(await read({ stderr: false, details: true }), ['1:a=b one\n', '1:a=b three\n'])
  assert.deepEqual(await read({ timestamps: true, tail: 1 }), ['1:1970-01-01T00:00:03.000000000Z three\n'])
})

test('rotated files are read oldest first', async () => {
  writeFileSync(`${path}.2`, rec(1n, 1, 'old\n'))
  writeFileSync(`${path}.1`, rec(2n, 1, 'mid\n'))
  writeFileSync(path, rec(3n, 1, 'new\n'))
  assert.deepEqual(await read(), ['1:old\n', '1:mid\n', '1:new\n'])
})

test('lines of JSON are read as records are: by line, joined, through rotations, and not before their end is there', async () => {
  const line = (seconds: number, stream: string, log: string): string => `{"log":${JSON.stringify(log)},"stream":"${stream}","time":"1970-01-01T00:00:0${seconds}.000000000Z"}\n`
  writeFileSync(`${path}.1`, line(1, 'stdout', 'one\n') + line(1, 'stdout', 'on"e\n'))
  writeFileSync(path, line(2, 'stderr', 'two\n') + line(3, 'stdout', 'thr') + line(4, 'stdout', 'ee\n') + line(5, 'stdout', 'torn\n').slice(0, -9))
  const readJson = async (options: Partial<LogOptions>): Promise<string> => {
    const chunks: Buffer[] = []
    for await (const chunk of openLog({ path, filesMax: 3, isJson: true, tty: true, attributes: '', changed: undefined }, { stdout: true, stderr: true, ...options })) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  }
  assert.equal(await readJson({}), 'one\non"e\ntwo\nthree\n')
  assert.equal(await readJson({ since: '2', stdout: false }), 'two\n')
  assert.equal(await readJson({ tail: 1, timestamps: true }), '1970-01-01T00:00:03.000000000Z three\n')
})

test('following goes on through a rotation', async () => {
  writeFileSync(path, rec(1n, 1, 'a\n'))
  let turn = 0
  const frames = await read({ follow: true }, async () => {
    if (turn++ > 0) return false
    writeFileSync(path, rec(2n, 1, 'b\n'), { flag: 'a' })
    renameSync(path, `${path}.1`)
    writeFileSync(path, rec(3n, 1, 'c\n'))
    return true
  })
  assert.deepEqual(frames, ['1:a\n', '1:b\n', '1:c\n'])
})

test('a log that is not there is empty', async () => {
  assert.deepEqual(await read(), [])
})

test('times are read and written to the nanosecond', () => {
  assert.equal(parseTime('2024-01-02T03:04:05.000000006Z'), 1_704_164_645_000_000_006n)
  assert.equal(formatTime(1_704_164_645_000_000_006n), '2024-01-02T03:04:05.000000006Z')
  assert.throws(() => parseTime('soon'), { code: 'invalid-time' })
})

test('a follower that is slow misses nothing when the files it has not read are rotated away', async () => {
  writeFileSync(path, rec(1n, 1, '0\n'))
  let onWrite: () => void = () => undefined
  let wakes = 0
  /** Six rotations while nobody reads, with three files kept. */
  const changed = async (): Promise<boolean> => {
    if (wakes++ > 0) return false
    appendFileSync(path, rec(2n, 1, 'late\n'))
    for (let at = 1; at <= 6; at++) {
      for (const [from, to] of [['.1', '.2'], ['', '.1']] as const) if (existsSync(path + from)) renameSync(path + from, path + to)
      writeFileSync(path, rec(BigInt(at) + 2n, 1, `${at}\n`))
      onWrite()
    }
    return true
  }
  const stream = openLog({ path, filesMax: 3, tty: true, attributes: '', changed, onWrite: listener => { onWrite = listener } }, { stdout: true, stderr: true, follow: true })
  let text = ''
  for await (const chunk of stream) text += (chunk as Buffer).toString()
  assert.equal(text, '0\nlate\n1\n2\n3\n4\n5\n6\n')
})

test('a follower misses nothing when a rotation comes while it opens the files after the one before', async t => {
  writeFileSync(path, rec(1n, 1, '0\n'))
  const rotate = (text: string): void => {
    renameSync(path, `${path}.1`)
    writeFileSync(path, rec(2n, 1, text))
  }
  const open = fs.openSync
  let wakes = 0
  const changed = async (): Promise<boolean> => {
    if (wakes++ > 0) return false
    rotate('1\n')
    // The reader has found its own file at .1 and is about to open the newest, which then is the next one.
    mock.method(fs, 'openSync', (...args: Parameters<typeof fs.openSync>) => {
      if (args[0] === path) {
        mock.restoreAll()
        syncBuiltinESMExports()
        rotate('2\n')
      }
      return open(...args)
    })
    syncBuiltinESMExports()
    return true
  }
  t.after(() => { mock.restoreAll(); syncBuiltinESMExports() })
  const stream = openLog({ path, filesMax: 2, tty: true, attributes: '', changed }, { stdout: true, stderr: true, follow: true })
  let text = ''
  for await (const chunk of stream) text += (chunk as Buffer).toString()
  assert.equal(text, '0\n1\n2\n')
})
