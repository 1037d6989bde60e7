import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../src/base/errors.ts'
import { AddressPool, DEFAULT_ADDRESS_POOLS, pickSubnet } from './ipam.ts'
import { contains, formatCidr, macOf, parseCidr, parseIpv4 } from './ipv4.ts'

test('subnets are picked in order, avoiding what overlaps', () => {
  assert.equal(pickSubnet(DEFAULT_ADDRESS_POOLS, ['172.17.0.0/16']), '172.18.0.0/16')
  assert.equal(pickSubnet(DEFAULT_ADDRESS_POOLS, ['172.17.0.0/16', '172.18.5.0/24', '172.19.0.0/30']), '172.20.0.0/16')
  assert.equal(pickSubnet(DEFAULT_ADDRESS_POOLS, ['172.16.0.0/12']), '192.168.0.0/20')
  assert.throws(() => pickSubnet([{ base: '10.0.0.0/24', size: 25 }], ['10.0.0.0/8']), error => hasCode(error, 'no-free-subnet'))
})

test('addresses are handed out in order, and a freed one comes back last', () => {
  const pool = new AddressPool('10.1.0.0/29', { reserved: ['10.1.0.1'] })
  assert.deepEqual([pool.allocate(), pool.allocate()], ['10.1.0.2', '10.1.0.3'])
  pool.release('10.1.0.2')
  assert.deepEqual([pool.allocate(), pool.allocate(), pool.allocate(), pool.allocate()], ['10.1.0.4', '10.1.0.5', '10.1.0.6', '10.1.0.2'])
  assert.throws(() => pool.allocate(), error => hasCode(error, 'no-free-address'))
})

test('a fixed address must be inside and free', () => {
  const pool = new AddressPool('10.1.0.0/24', { reserved: ['10.1.0.1'], range: '10.1.0.128/25' })
  assert.equal(pool.allocate('10.1.0.7'), '10.1.0.7')
  assert.throws(() => pool.allocate('10.1.0.7'), error => hasCode(error, 'address-in-use'))
  assert.throws(() => pool.allocate('10.2.0.7'), error => hasCode(error, 'address-outside-subnet'))
  assert.equal(pool.allocate(), '10.1.0.128', 'others come from the range')
  pool.claim('10.1.0.129')
  assert.equal(pool.allocate(), '10.1.0.130')
})

test('every address of a pool is handed out exactly once', () => {
  const pool = new AddressPool('192.168.7.0/24', { reserved: ['192.168.7.1'] })
  const all = Array.from({ length: 253 }, () => pool.allocate())
  assert.equal(new Set(all).size, 253)
  assert.ok(all.every(ip => contains(parseCidr('192.168.7.0/24'), parseIpv4(ip) ?? 0) && !/\.(0|1|255)$/.test(ip)))
})

test('CIDRs are read strictly, host bits cleared', () => {
  assert.equal(formatCidr(parseCidr('172.17.0.1/16')), '172.17.0.0/16')
  for (const bad of ['1.2.3/24', '1.2.3.4', '1.2.3.256/8', '1.2.3.4/33', 'x/8', '1.2.3.4/']) assert.throws(() => parseCidr(bad), error => hasCode(error, 'invalid-subnet'), bad)
  assert.equal(macOf('10.0.1.255'), '02:42:0a:00:01:ff')
})
