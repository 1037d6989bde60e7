import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shaped } from './shape.ts'

test('integers are those that 64 bits hold', () => {
  for (const value of [0, -1, 2 ** 63, -(2 ** 63), 2 ** 64]) assert.equal(shaped('integer', value), value)
  for (const value of [1.5, 1e308, -1e308, 2 ** 65, Number.NaN, '1', true]) assert.throws(() => shaped('integer', value, 'Memory'), { code: 'invalid-json', message: /Memory must be an integer/ })
})
