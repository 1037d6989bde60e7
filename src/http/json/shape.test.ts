import assert from 'node:assert/strict'
import { test } from 'node:test'
import { list, map, object, shaped, STRINGS, STRING_MAP } from './shape.ts'

test('null inside of lists and maps is what Go makes of it', () => {
  assert.deepEqual(shaped(list(object({ A: 'string' })), [null, { A: null }]), [{}, {}])
  assert.deepEqual(shaped(STRINGS, ['x', null]), ['x', ''])
  assert.deepEqual(shaped(STRING_MAP, { a: null }), { a: '' })
  assert.deepEqual(shaped(map(list('integer')), { a: null }), { a: [] })
})

test('integers are those that 64 bits hold', () => {
  for (const value of [0, -1, 2 ** 63, -(2 ** 63), 2 ** 64]) assert.equal(shaped('integer', value), value)
  for (const value of [1.5, 1e308, -1e308, 2 ** 65, Number.NaN, '1', true]) assert.throws(() => shaped('integer', value, 'Memory'), { code: 'invalid-json', message: /Memory must be an integer/ })
})
