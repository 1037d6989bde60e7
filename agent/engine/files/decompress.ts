import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { KernelProcesses } from '../../kernel/kernel.ts'

const MAGIC_BYTES = 6
/** What archives may be compressed with, beside gzip: the first bytes, in hexadecimal, and the tool that undoes it. */
const TOOLS: readonly (readonly [magic: string, argv: readonly string[]])[] = [['fd377a585a00', ['xz', '-dc']], ['425a68', ['bzip2', '-dc']], ['28b52ffd', ['zstd', '-dc']]]

/** The contents of a stream that may be compressed (gzip, bzip2, xz, zstd): found out by its first bytes. */
export async function* decompress(source: AsyncIterable<Uint8Array>, processes: Pick<KernelProcesses, 'filter'>): AsyncIterable<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  let done = false
  while (!done && head.reduce((sum, chunk) => sum + chunk.length, 0) < MAGIC_BYTES) {
    const next = await iterator.next()
    if (next.done === true) done = true
    else head.push(next.value)
  }
  const whole = rest(head, iterator)
  const magic = Buffer.concat(head).subarray(0, MAGIC_BYTES).toString('hex')
  const tool = TOOLS.find(([start]) => magic.startsWith(start))
  if (tool !== undefined) { yield* processes.filter(tool[1], whole); return }
  if (!magic.startsWith('1f8b')) { yield* whole; return }
  const input = Readable.from(whole, { objectMode: false })
  const gunzip = createGunzip()
  input.on('error', error => gunzip.destroy(error))
  yield* input.pipe(gunzip) as AsyncIterable<Uint8Array>
}

async function* rest(head: readonly Uint8Array[], iterator: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* head
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
  } finally {
    await iterator.return?.()
  }
}
