import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { applyWhiteouts } from './whiteouts.ts'

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-whiteouts-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function apply(root: string): Promise<readonly string[]> {
  const done: string[] = []
  await applyWhiteouts(root, { makeOpaque: path => { done.push(`opaque ${path.slice(root.length)}`) }, makeWhiteout: path => { done.push(`whiteout ${path.slice(root.length)}`) } })
  return done.sort()
}

test('whiteouts become what overlay understands, and their files are gone', async () => inFolder(async root => {
  await mkdir(join(root, 'etc/deep'), { recursive: true })
  for (const name of ['etc/.wh.gone', 'etc/deep/.wh..wh..opq', 'etc/.wh..wh.plnk', 'etc/.wh.kept', 'etc/kept']) await writeFile(join(root, name), '')
  assert.deepEqual(await apply(root), ['opaque /etc/deep', 'whiteout /etc/gone'])
  assert.deepEqual(await readdir(join(root, 'etc')), ['deep', 'kept'])
}))

test('a link in a layer leads neither out of it nor in circles', async () => inFolder(async folder => {
  const [root, outside] = [join(folder, 'layer'), join(folder, 'outside')]
  await mkdir(root)
  await mkdir(outside)
  await writeFile(join(outside, '.wh.victim'), '')
  for (const [name, target] of [['out', outside], ['a', '.'], ['b', '.'], ['.wh.link', outside]] as const) await symlink(target, join(root, name))
  assert.deepEqual(await apply(root), ['whiteout /link'])
  assert.deepEqual(await readdir(outside), ['.wh.victim'])
}))

test('whiteouts of a directory itself or of the one above are ignored', async () => inFolder(async root => {
  for (const name of ['.wh.', '.wh..', '.wh...']) await writeFile(join(root, name), '')
  assert.deepEqual(await apply(root), [])
  assert.deepEqual(await readdir(root), [])
}))
