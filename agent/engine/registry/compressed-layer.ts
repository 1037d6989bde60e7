import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { LayerStore } from '../image/layer-store.ts'

/** A layer as a registry takes it: a file with gzip in it. Disposing removes what was made for it. */
export interface CompressedLayer extends AsyncDisposable { readonly path: string; readonly digest: string; readonly sizeBytes: number }

/** What came compressed goes as it came, so that its digest stays; anything else is compressed now. */
export async function compressedLayer(layers: LayerStore, diffId: string, signal: AbortSignal): Promise<CompressedLayer> {
  if (await layers.compression(diffId) === 'gzip') {
    const path = layers.blobPath(diffId)
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18, signal })) hash.update(chunk as Buffer)
    return { path, digest: `sha256:${hash.digest('hex')}`, sizeBytes: (await stat(path)).size, [Symbol.asyncDispose]: async () => undefined }
  }
  const directory = await layers.temporaryDirectory()
  const dispose = async (): Promise<void> => { await rm(directory, { recursive: true, force: true }) }
  try {
    const path = join(directory, 'layer.gz')
    const hash = createHash('sha256')
    let sizeBytes = 0
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk)
        sizeBytes += chunk.length
        done(null, chunk)
      },
    })
    await pipeline(layers.tar(diffId), createGzip(), meter, createWriteStream(path), { signal })
    return { path, digest: `sha256:${hash.digest('hex')}`, sizeBytes, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}
