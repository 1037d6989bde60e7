import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../base/errors.ts'
import { filterFlag, parseFilters } from './filters.ts'

const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    assert(error instanceof ShoalError && error.kind === 'invalid-argument')
    return error.message
  }
  return 'accepted'
}

test('filters are read in the new form and the old', () => {
  assert.deepEqual(parseFilters('{"label":["a","b=c"]}', ['label']), { label: ['a', 'b=c'] })
  assert.deepEqual(parseFilters('{"label":{"a":true,"b":false}}', ['label']), { label: ['a'] })
  assert.deepEqual(parseFilters('', []), {})
  assert.deepEqual(parseFilters('null', []), {})
})

test('unknown names and malformed values are refused', () => {
  assert.equal(refusal(() => parseFilters('{"x":["1"]}', ['label'])), "invalid filter 'x'")
  assert.match(refusal(() => parseFilters('{"label":"a"}', ['label'])), /^invalid filter 'label'/)
  assert.match(refusal(() => parseFilters('{"label":[1]}', ['label'])), /^invalid filter 'label'/)
  assert.match(refusal(() => parseFilters('[]', ['label'])), /^invalid filters: must be/)
  assert.match(refusal(() => parseFilters('{', ['label'])), /^invalid filters: /)
  assert.equal(refusal(() => parseFilters('{"__proto__":["a"]}', ['label'])), "invalid filter '__proto__'")
})

test('a truth filter takes Go\'s words for it', () => {
  assert.deepEqual([filterFlag({ d: ['1'] }, 'd'), filterFlag({ d: ['False'] }, 'd'), filterFlag({}, 'd')], [true, false, undefined])
  assert.equal(refusal(() => filterFlag({ d: ['maybe'] }, 'd')), "invalid filter 'd=[maybe]'")
})
