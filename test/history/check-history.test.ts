import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomInt } from '../../src/base/random.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { checkHistory } from './check-history.ts'
import type { Operation } from './operation.ts'
import { readHistory } from './read-history.ts'

/** "w1 0-2" is a write of 1 from 0 to 2, "r1", "r-" a read of nothing, "c1>2" a cas; "?" instead of the end: unknown; "!": failed. */
function history(...lines: readonly string[]): readonly Operation[] {
  return lines.map((line, at) => {
    const [, kind = '', from = '', to = '', call = '', end = ''] = /^([rwc])([^> ]+)(?:>(\S+))? (\d+)-(\d+|\?|!)$/.exec(line) ?? []
    const valueOf = (text: string): string | null => text === '-' ? null : text
    const outcome = end === '?' ? 'unknown' : end === '!' ? 'fail' : 'ok'
    return {
      client: String(at), key: 'k', kind: kind === 'r' ? 'read' : kind === 'w' ? 'write' : 'cas', value: valueOf(kind === 'c' ? to : from), call: Number(call), outcome,
      ...(kind === 'c' ? { expected: valueOf(from) } : {}), ...(outcome === 'ok' ? { return: Number(end) } : {}),
    } as Operation
  })
}
const verdict = (...lines: readonly string[]): string => checkHistory(history(...lines)).kind

test('what one client does after the other must be seen in that order', () => {
  assert.equal(verdict('r- 0-1', 'w1 2-3', 'r1 4-5'), 'linearizable')
  assert.equal(verdict('w1 0-1', 'r- 2-3'), 'violated')
  assert.equal(verdict('w1 0-1', 'w2 2-3', 'r1 4-5'), 'violated')
})

test('what overlaps may have happened either way, but for everybody the same', () => {
  assert.equal(verdict('w1 0-10', 'r- 1-2', 'r1 3-4'), 'linearizable')
  assert.equal(verdict('w1 0-10', 'r1 1-2', 'r- 3-4'), 'violated')
  assert.equal(verdict('w1 0-10', 'w2 0-10', 'r2 11-12', 'r1 13-14'), 'violated')
  assert.equal(verdict('w1 0-10', 'w2 0-10', 'r1 3-12', 'r2 4-14', 'r2 15-16'), 'linearizable')
})

test('an operation of unknown outcome may have happened at any time after its call, or never', () => {
  assert.equal(verdict('w1 0-?', 'r- 1-2', 'r1 5-6'), 'linearizable')
  assert.equal(verdict('w1 0-?', 'r- 5-6'), 'linearizable')
  assert.equal(verdict('w1 0-?', 'r1 1-2', 'r- 5-6'), 'violated')
  assert.equal(verdict('r1 0-1', 'w1 2-?'), 'violated')
})

test('a failed operation never happened', () => {
  assert.equal(verdict('w1 0-!', 'r- 1-2'), 'linearizable')
  assert.equal(verdict('w1 0-!', 'r1 1-2'), 'violated')
})

test('of two compare-and-sets from one value only one succeeds', () => {
  assert.equal(verdict('w0 0-1', 'c0>1 2-5', 'c0>2 2-5'), 'violated')
  assert.equal(verdict('w0 0-1', 'c0>1 2-5', 'c1>2 2-5', 'r2 6-7'), 'linearizable')
})

test('a violation names the key, and what does not fit', () => {
  const result = checkHistory([...history('w1 0-1', 'r1 2-3'), ...history('w1 0-1', 'r2 2-3').map(operation => ({ ...operation, key: 'bad' }))])
  assert.equal(result.kind === 'violated' && result.key, 'bad')
  assert.deepEqual(result.kind === 'violated' && result.next.map(({ kind, value }) => `${kind} ${value}`), ['read 2'])
})

test('a search that would take for ever is given up, and says so', () => {
  const many = Array.from({ length: 12 }, (_, at) => `w${at} 0-?`)
  assert.equal(checkHistory(history(...many, 'rx 1-2'), { stepsMax: 1000 }).kind, 'undecided')
})

test('every history of a real register is linearizable, and one false read in it is not', () => {
  for (let seed = 0; seed < 150; seed++) {
    const random = new SeededRandom(seed)
    const operations = randomHistory(random, 80)
    assert.equal(checkHistory(operations).kind, 'linearizable', `seed ${seed}`)
    const reads = operations.filter(({ kind, outcome }) => kind === 'read' && outcome === 'ok')
    const victim = reads[randomInt(random, reads.length)]
    const falsified = operations.map(operation => operation === victim ? { ...operation, value: 'never written' } : operation)
    assert.equal(checkHistory(falsified).kind, 'violated', `seed ${seed}`)
  }
})

/** Four clients on a register in memory; each operation takes effect at a random instant while it lasts. */
function randomHistory(random: SeededRandom, count: number): readonly Operation[] {
  const planned = Array.from({ length: count }, (_, at) => {
    const call = Math.floor(at / 4) * 10 + random.next() * 9
    const end = call + random.next() * 12
    const outcome = random.next() < 0.05 ? 'unknown' as const : 'ok' as const
    return { client: String(at % 4), key: 'k', at, kind: (['read', 'write', 'cas'] as const)[randomInt(random, 3)] ?? 'read', call, return: end, instant: call + random.next() * (end - call), outcome, isLost: random.next() < 0.5 }
  }).sort((a, b) => a.instant - b.instant)
  let current: string | null = null
  return planned.map(({ instant: _instant, isLost, at, ...each }): Operation => {
    const isDone = each.outcome === 'ok' || !isLost
    if (each.kind === 'read') return { ...each, value: current }
    const before = current
    const value = `v${at}`
    if (each.kind === 'write') {
      if (isDone) current = value
      return { ...each, value }
    }
    const fits = randomInt(random, 2) === 0
    const expected = fits ? before : 'other'
    if (!fits && each.outcome === 'ok') return { ...each, value, expected, outcome: 'fail' }
    if (fits && isDone) current = value
    return { ...each, value, expected }
  })
}

test('a history is read from JSON lines; a line that makes no sense is named', () => {
  const line = '{"client":"a","key":"k","kind":"write","value":"1","call":1,"return":2,"outcome":"ok"}'
  assert.equal(readHistory(`${line}\n\n${line}\n`).length, 2)
  assert.throws(() => readHistory(`${line}\n{`), /^Error: line 2: /)
  assert.throws(() => readHistory('{"client":"a","key":"k","kind":"write","value":"1","call":3,"return":2,"outcome":"ok"}'), /line 1: it returns before it is called/)
})
