import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Snapshotter } from '../../agent/engine/snapshot/snapshotter.ts'

/** What every Snapshotter does. `open` makes one on a root, again after a "restart". */
export function snapshotterSuite(name: string, open: (root: string) => Snapshotter, options: { readonly skip: string | false } = { skip: false }): void {
  const { skip } = options
  const check = (behaviour: string, body: (snapshotter: Snapshotter, layer: string, root: string) => Promise<void>): void => {
    test(`${name}: ${behaviour}`, { skip }, async () => {
      const base = mkdtempSync('/tmp/shoal-snap-')
      const layer = join(base, 'layer')
      const root = join(base, 'snapshots')
      mkdirSync(layer)
      mkdirSync(root)
      writeFileSync(join(layer, 'file'), 'layer')
      const snapshotter = open(root)
      try {
        await body(snapshotter, layer, root)
      } finally {
        await snapshotter.retain(new Set(), new Set())
        rmSync(base, { recursive: true, force: true })
      }
    })
  }

  check('shows the layer, and keeps what is written out of it', async (snapshotter, layer) => {
    await snapshotter.prepare('one', [layer])
    const root = await snapshotter.mount('one', [layer])
    assert.equal(readFileSync(join(root, 'file'), 'utf8'), 'layer')
    writeFileSync(join(root, 'file'), 'changed')
    assert.equal(readFileSync(join(layer, 'file'), 'utf8'), 'layer')
    await snapshotter.remove('one')
  })

  check('keeps what was written over unmount and restart', async (snapshotter, layer, root) => {
    await snapshotter.prepare('one', [layer])
    writeFileSync(join(await snapshotter.mount('one', [layer]), 'new'), 'mine')
    await snapshotter.unmount('one')
    await snapshotter.unmount('one')
    const again = open(root)
    await again.retain(new Set(['one']), new Set())
    await again.prepare('one', [layer])
    assert.equal(readFileSync(join(await again.mount('one', [layer]), 'new'), 'utf8'), 'mine')
    await again.remove('one')
  })

  check('removes everything, and again without complaint', async (snapshotter, layer, root) => {
    await snapshotter.prepare('one', [layer])
    await snapshotter.mount('one', [layer])
    await snapshotter.remove('one')
    await snapshotter.remove('one')
    assert.equal(existsSync(join(root, 'one')), false)
  })

  check('keeps only what it is told to after a crash, mounted where it runs', async (snapshotter, layer, root) => {
    for (const id of ['keep', 'drop']) {
      await snapshotter.prepare(id, [layer])
      await snapshotter.mount(id, [layer])
    }
    const again = open(root)
    await again.retain(new Set(['keep']), new Set(['keep']))
    assert.equal(existsSync(join(root, 'drop')), false)
    assert.equal(readFileSync(join(await again.mount('keep', [layer]), 'file'), 'utf8'), 'layer')
    await again.remove('keep')
  })
}
