import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createUnlockKey } from '../ca/unlock-key.ts'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { NodeLock } from './node-lock.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-node-lock-'))
after(() => rmSync(root, { recursive: true }))
const random = new SeededRandom(1)
const [FIRST, SECOND] = [createUnlockKey(random), createUnlockKey(random)]
let files = 0

/** A lock as a process that starts now finds it. */
function started(path: string): NodeLock {
  const lock = new NodeLock(path, random)
  lock.load()
  return lock
}
function newPath(): string { return join(root, `lock-${files++}.json`) }
function lockedWith(path: string, unlockKey: string): NodeLock {
  const lock = started(path)
  lock.change(unlockKey)
  lock.settle()
  return lock
}

test('without autolock nothing is sealed and there is no file', () => {
  const path = newPath()
  const lock = started(path)
  assert.deepEqual([lock.isLocked, lock.isSealing, lock.isUnsettled, lock.isFor('')], [false, false, false, true])
  assert.equal(lock.ring.seal('text', 'place'), 'text')
  assert(!existsSync(path))
})

test('after a restart only the unlock key opens what was sealed; wrong ones are refused with Docker\'s texts', () => {
  const path = newPath()
  const sealed = lockedWith(path, FIRST).ring.seal('secret', 'place')
  assert(!sealed.includes('secret'))
  const lock = started(path)
  assert(lock.isLocked)
  assert.throws(() => lock.ring.open(sealed, 'place'), { code: 'seal-key-missing' })
  assert.throws(() => lock.unlock(SECOND), { kind: 'unauthenticated', message: 'swarm could not be unlocked: invalid key provided' })
  assert.throws(() => lock.unlock('SWMKEY-1-x'), { kind: 'invalid-argument', message: 'invalid key string' })
  assert(lock.isLocked)
  lock.unlock(FIRST)
  assert.equal(lock.ring.open(sealed, 'place'), 'secret')
  assert.throws(() => lock.ring.open(sealed, 'another place'), { code: 'log-key-wrong' })
  assert.deepEqual([lock.isLocked, lock.isSealing, lock.isUnsettled, lock.isFor(FIRST)], [false, true, false, true])
})

test('a crash anywhere while the unlock key changes leaves the new one, which opens what was sealed before and after', () => {
  const path = newPath()
  const lock = lockedWith(path, FIRST)
  const before = lock.ring.seal('old', 'place')
  lock.change(SECOND)
  const after = lock.ring.seal('new', 'place')
  const crashed = started(path)
  assert.throws(() => crashed.unlock(FIRST), { code: 'wrong-unlock-key' })
  crashed.unlock(SECOND)
  assert(crashed.isUnsettled)
  assert.deepEqual([crashed.ring.open(before, 'place'), crashed.ring.open(after, 'place')], ['old', 'new'])
  assert.deepEqual([crashed.ring.isCurrent(before), crashed.ring.isCurrent(after), crashed.ring.isCurrent('open')], [false, true, false])
  crashed.settle()
  const settled = started(path)
  settled.unlock(SECOND)
  assert.equal(settled.ring.open(after, 'place'), 'new')
  assert.throws(() => settled.ring.open(before, 'place'), { code: 'seal-key-missing' }, 'what the old unlock key gave away opens nothing any more')
})

test('a crash while autolock is turned off needs no key, and what is still sealed opens', () => {
  const path = newPath()
  const lock = lockedWith(path, FIRST)
  const sealed = lock.ring.seal('secret', 'place')
  lock.change('')
  const crashed = started(path)
  assert.deepEqual([crashed.isLocked, crashed.isSealing, crashed.isUnsettled, crashed.isFor('')], [false, false, true, true])
  assert.equal(crashed.ring.open(sealed, 'place'), 'secret')
  assert.equal(crashed.ring.seal('secret', 'place'), 'secret')
  crashed.settle()
  assert(!existsSync(path))
})

test('a new beginning forgets what an unfinished one left', () => {
  const path = newPath()
  lockedWith(path, FIRST)
  started(path).begin('')
  assert(!existsSync(path))
  started(path).begin(SECOND)
  const lock = started(path)
  lock.unlock(SECOND)
  assert(!lock.isUnsettled)
})

test('the file never shows a key of the node while it is sealed', () => {
  const path = newPath()
  const lock = lockedWith(path, FIRST)
  const [key] = lock.ring.state.keys
  assert(key !== undefined)
  assert(!readFileSync(path, 'utf8').includes(Buffer.from(key.key).toString('base64')))
})
