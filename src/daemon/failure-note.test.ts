import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { FailureNote } from './failure-note.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-failure-note-'))
after(() => rmSync(folder, { recursive: true }))

test('the reason is there until the next process has started', () => {
  const note = new FailureNote(folder)
  assert.equal(note.read(), '')
  note.write('the log is damaged')
  assert.equal(new FailureNote(folder).read(), 'the log is damaged')
  note.clear()
  note.clear()
  assert.equal(note.read(), '')
})

test('a folder that is gone, or cannot be written, is no further failure', () => {
  const note = new FailureNote(join(folder, 'missing'))
  note.write('the log is damaged')
  assert.equal(note.read(), '')
})
