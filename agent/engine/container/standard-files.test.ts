import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { makeStandardFiles, standardFilesBytes } from './standard-files.ts'

async function rootOf(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'standard-files-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  return root
}

test('a root gets what it lacks, and nothing twice', async t => {
  const root = await rootOf(t)
  for (let times = 0; times < 2; times++) await makeStandardFiles(root)
  assert.equal(await readFile(join(root, '.dockerenv'), 'utf8'), '')
  assert.equal(await readlink(join(root, 'etc/mtab')), '/proc/mounts')
  assert.equal(await standardFilesBytes(root), 12)
})

test('what the image has stays, and no link leads out of the root', async t => {
  const root = await rootOf(t)
  await mkdir(join(root, 'data'))
  await symlink('/data', join(root, 'etc'))
  await writeFile(join(root, 'data/mtab'), 'own')
  await symlink('/nonexistent/outside', join(root, '.dockerenv'))
  await makeStandardFiles(root)
  assert.equal(await readFile(join(root, 'data/mtab'), 'utf8'), 'own')
  assert.equal(await standardFilesBytes(root), 0)
})
