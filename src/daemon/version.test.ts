import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { VERSION } from './version.ts'

test('the version is that of package.json', () => {
  assert.equal((JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version, VERSION)
})
