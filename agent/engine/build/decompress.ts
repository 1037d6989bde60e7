import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { KernelProcesses } from '../../kernel/kernel.ts'

const MAGIC_BYTES = 6
const TOOLS: readonly (readonly [magic: string, tool: string])[] = [['fd377a585a00', 'xz'], ['425a68', 'bzip2'], ['28b52ffd', 'zstd']]

/** A stream as it was before it was compressed with gzip, xz, bzip2 or zstd; anything else as it is. */
export async function* decompressed(source: AsyncIterable<Uint8Array>, processes: Pick<KernelProcesses, 'filter'>): AsyncIterable<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  let bytes = 0
  let isDone = false
  while (bytes < MAGIC_BYTES && !isDone) {
    const next = await iterator.next()
    if (next.done === true) { isDone = true; continue }
    head.push(next.value)
    bytes += next.value.length
  }
  const rest = async function* (): AsyncIterable<Uint8Array> {
    try {
      yield* head
      for (let next = isDone ? undefined : await iterator.next(); next !== undefined && next.done !== true; next = await iterator.next()) yield next.value
    } finally {
      await iterator.return?.()
    }
  }
  const magic = Buffer.concat(head).subarray(0, MAGIC_BYTES).toString('hex')
  const tool = TOOLS.find(([prefix]) => magic.startsWith(prefix))?.[1]
  if (magic.startsWith('1f8b')) yield* gunzipped(rest())
  else if (tool !== undefined) yield* processes.filter([tool, '-dc'], rest())
  else yield* rest()
}

async function* gunzipped(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const input = Readable.from(source, { objectMode: false })
  const output = createGunzip()
  input.once('error', error => { output.destroy(error) })
  try {
    yield* input.pipe(output) as AsyncIterable<Uint8Array>
  } finally {
    input.destroy()
    output.destroy()
  }
}
