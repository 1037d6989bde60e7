import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { withDisk } from './full-disk.ts'

test('a reason of a full disk says which one and how full, any other stays', () => {
  assert.equal(withDisk('the log is damaged', tmpdir()), 'the log is damaged')
  assert.match(withDisk('IO error: /x/000012.log: No space left on device', tmpdir()), new RegExp(`No space left on device \\(the file system of ${tmpdir()} has \\d+ of \\d+ MiB free\\)$`))
})
