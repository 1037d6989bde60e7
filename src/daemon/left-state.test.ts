import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isMarkedLeft, keepUnsureState, keepWithLeftState, markLeft, putAwayLeftState } from './left-state.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-left-state-'))
after(() => rmSync(root, { recursive: true }))
let folders = 0
function newState(text = 'state'): string {
  const folder = join(root, `manager-${folders++}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'log'), text)
  return folder
}

test('state that is in use stays; a demoted manager\'s and a removed one\'s goes', () => {
  const folder = newState()
  putAwayLeftState(folder)
  assert(existsSync(join(folder, 'log')))
  putAwayLeftState(folder, { always: true })
  assert(!existsSync(folder))
  const removed = newState()
  markLeft(removed, 'removed')
  putAwayLeftState(removed)
  assert(!existsSync(removed) && !existsSync(`${removed}.other-fork`))
})

test('the state of another fork is kept beside, the last one', () => {
  const folder = newState('first')
  for (const text of ['first', 'second']) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'log'), text)
    markLeft(folder, 'other-fork')
    putAwayLeftState(folder, { always: true })
    assert(!existsSync(folder))
    assert.equal(readFileSync(join(`${folder}.other-fork`, 'log'), 'utf8'), text)
    const lock = join(root, 'lock.json')
    writeFileSync(lock, 'sealed')
    keepWithLeftState(folder, lock)
    assert.equal(readFileSync(join(`${folder}.other-fork`, 'lock.json'), 'utf8'), 'sealed')
  }
})

test('a state of which nobody said why it counts no more is kept, and never in place of another fork\'s', () => {
  const folder = newState('unsure')
  assert(!isMarkedLeft(folder))
  keepUnsureState(folder)
  putAwayLeftState(folder, { always: true })
  assert.equal(readFileSync(join(`${folder}.other-fork`, 'log'), 'utf8'), 'unsure')
  for (const text of ['fresh', 'fresher']) {
    mkdirSync(folder)
    writeFileSync(join(folder, 'log'), text)
    keepUnsureState(folder)
    assert.equal(readFileSync(join(`${folder}.kept`, 'log'), 'utf8'), text)
  }
  assert.equal(readFileSync(join(`${folder}.other-fork`, 'log'), 'utf8'), 'unsure')
  keepUnsureState(folder)
  const marked = newState()
  markLeft(marked, 'removed')
  assert(isMarkedLeft(marked))
})
