import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownAddress } from './host-address.ts'

test('a host that advertises an address of none of its interfaces reaches its own manager where that listens', () => {
  const foreign = '203.0.113.7:2377'
  assert.equal(ownAddress({ advertiseAddress: foreign, listenAddress: '0.0.0.0:2400' }), '127.0.0.1:2400')
  assert.equal(ownAddress({ advertiseAddress: foreign, listenAddress: '[::]:2377' }), '[::1]:2377')
  assert.equal(ownAddress({ advertiseAddress: foreign, listenAddress: '10.1.2.3:2377' }), '10.1.2.3:2377')
})

test('an address of the host itself is reached as it is', () => {
  assert.equal(ownAddress({ advertiseAddress: '127.0.0.1:2377', listenAddress: '0.0.0.0:2400' }), '127.0.0.1:2377')
})
