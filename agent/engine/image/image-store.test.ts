import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import { FakeKernel } from '../../kernel/fake-kernel.ts'
import { ImageStore } from './image-store.ts'
import { LayerStore } from './layer-store.ts'

test('layers are synced before the first image that has them, and not again for the next one', async () => {
  const root = mkdtempSync('/tmp/shoal-images-')
  try {
    const kernel = new FakeKernel({})
    const configs = join(root, 'images/configs')
    const imagesAtSync: number[] = []
    kernel.mounts.sync = async path => {
      assert.equal(path, join(root, 'layers'))
      imagesAtSync.push(readdirSync(configs).length)
    }
    const store = new ImageStore(join(root, 'images'), new LayerStore(join(root, 'layers'), kernel, new SeededRandom(1)), new MemoryLogger())
    await store.open()
    const layer = async (text: string): Promise<string> => (await store.layers.add((async function* () { yield Buffer.from(text) })())).diffId
    const image = async (name: string, ...diffIds: readonly string[]): Promise<unknown> => store.add(Buffer.from(JSON.stringify({ name, os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } })))
    const [first, second] = [await layer('first'), await layer('second')]
    await image('a', first)
    await image('b', first)
    await image('c')
    assert.deepEqual(imagesAtSync, [0])
    await image('d', first, second)
    assert.deepEqual(imagesAtSync, [0, 3])
    // Files that the disk could not take are no image.
    kernel.mounts.sync = async () => { throw new Error('EIO') }
    await assert.rejects(image('e', await layer('third')), /EIO/)
    assert.equal(store.all().length, 4)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
