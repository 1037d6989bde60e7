import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withMainAddress } from './main-endpoint.ts'

const MAC = '02:42:00:00:00:01'

test('an address for the whole container goes to the network of its mode', () => {
  assert.deepEqual(withMainAddress({}, 'default', MAC), { bridge: { MacAddress: MAC } })
  assert.deepEqual(withMainAddress({ default: { Aliases: ['a'] } }, 'default', MAC), { default: { Aliases: ['a'], MacAddress: MAC } })
  assert.deepEqual(withMainAddress({ other: {}, own: {} }, 'own', MAC), { other: {}, own: { MacAddress: MAC } })
  assert.deepEqual(withMainAddress({ own: { MacAddress: MAC } }, 'own', ''), { own: { MacAddress: MAC } })
})

test('two addresses for one network are refused', () => {
  assert.throws(() => withMainAddress({ own: { MacAddress: '02:42:00:00:00:02' } }, 'own', MAC), { code: 'invalid-endpoint', message: /must match/ })
})
