import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { FakeKernel } from '../../kernel/fake-kernel.ts'
import { DEFAULT_LAYER_LIMITS, LayerStore } from './layer-store.ts'

test('a layer that was made far smaller than it is, is refused and taken away; an honest one of that size is not', async () => {
  const root = mkdtempSync('/tmp/shoal-layers-')
  try {
    const layers = new LayerStore(root, new FakeKernel({}), new SeededRandom(1), { ...DEFAULT_LAYER_LIMITS, unpackedBytesFree: 1_000_000 })
    await layers.open()
    const add = (bytes: Buffer) => layers.add((async function* () { yield bytes })())
    await assert.rejects(add(gzipSync(Buffer.alloc(20_000_000))), { code: 'malformed-image', message: /unpacks to more than/ })
    assert.deepEqual([readdirSync(join(root, 'tmp')), readdirSync(join(root, 'blobs'))], [[], []])
    await add(Buffer.alloc(20_000_000, 'x'))
    await add(gzipSync(Buffer.alloc(900_000)))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
