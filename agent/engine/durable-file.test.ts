import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { makeDirectory, writeDurably } from './durable-file.ts'

let root: string
beforeEach(() => { root = mkdtempSync('/tmp/shoal-') })
afterEach(() => rmSync(root, { recursive: true, force: true }))

test('a folder is made with those above it, and one that is there is left as it is', async () => {
  await makeDirectory(join(root, 'a/b/c'), 0o700)
  writeFileSync(join(root, 'a/b/c/file'), '')
  await makeDirectory(join(root, 'a/b/c'), 0o755)
  assert.equal(statSync(join(root, 'a/b/c')).mode & 0o777, 0o700)
  assert.ok(existsSync(join(root, 'a/b/c/file')))
})

test('a file that cannot be written for want of room says so, and leaves nothing half written', { skip: existsSync('/dev/full') ? false : 'needs /dev/full' }, async () => {
  const path = join(root, 'record')
  writeFileSync(path, 'old')
  symlinkSync('/dev/full', `${path}.new`)
  await assert.rejects(writeDurably(path, 'new', { sync: false }), { code: 'disk-full', kind: 'resource-exhausted', message: /no space left on device: .*record cannot be written/ })
  assert.equal(existsSync(`${path}.new`), false)
})
