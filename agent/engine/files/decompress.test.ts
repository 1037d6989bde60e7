import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { decompress } from './decompress.ts'

const TEXT = Buffer.from('what is in it\n'.repeat(100))
const NO_TOOLS = { filter: (): AsyncIterable<Uint8Array> => { throw new Error('no tool is needed') } }

async function* chunks(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts).toString()
}

test('plain and gzipped archives come out the same, in whatever pieces they come in', async () => {
  for (const size of [1, 7, 10_000]) {
    assert.equal(await textOf(decompress(chunks(TEXT, size), NO_TOOLS)), TEXT.toString())
    assert.equal(await textOf(decompress(chunks(gzipSync(TEXT), size), NO_TOOLS)), TEXT.toString())
  }
  assert.equal(await textOf(decompress(chunks(Buffer.from('x'), 1), NO_TOOLS)), 'x')
  assert.equal(await textOf(decompress(chunks(Buffer.alloc(0), 1), NO_TOOLS)), '')
})

test('others are undone by their tools, which get every byte', async () => {
  const seen: string[] = []
  const filter = (argv: readonly string[], input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> => { seen.push(argv[0] ?? ''); return input }
  for (const magic of ['fd377a585a00', '425a6839', '28b52ffd']) {
    const bytes = Buffer.concat([Buffer.from(magic, 'hex'), TEXT])
    assert.equal(await textOf(decompress(chunks(bytes, 3), { filter })), bytes.toString())
  }
  assert.deepEqual(seen, ['xz', 'bzip2', 'zstd'])
})

test('a cut gzip stream fails', async () => { await assert.rejects(textOf(decompress(chunks(gzipSync(TEXT).subarray(0, 20), 5), NO_TOOLS))) })
