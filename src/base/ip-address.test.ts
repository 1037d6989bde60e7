import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from './errors.ts'
import { formatIp, formatIpSubnet, ipBytes, ipOfBytes, parseIp, parseIpSubnet, subnetHas, subnetsOverlap, type Ip } from './ip-address.ts'

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text)

test('addresses are read and written in their canonical form', () => {
  for (const [text, canonical] of [['10.0.0.1', '10.0.0.1'], ['FD00:0:0:0::1', 'fd00::1'], ['::', '::'], ['::1', '::1'], ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'], ['::ffff:1.2.3.4', '::ffff:102:304'], ['fd00:0:0:1::', 'fd00:0:0:1::']]) {
    assert.equal(formatIp(ip(text ?? '')), canonical)
    assert.equal(ipOfBytes(ipBytes(text ?? '')), canonical)
  }
  for (const bad of ['', '1.2.3', '1.2.3.256', 'fd00:::1', 'fe80::1%eth0', 'x']) assert.equal(parseIp(bad), undefined, bad)
})

test('subnets know what they hold and what they overlap', () => {
  assert.equal(formatIpSubnet(parseIpSubnet('fd00:1:2:3:4::9/64')), 'fd00:1:2:3::/64')
  assert.ok(subnetHas(parseIpSubnet('fd00:1::/64'), ip('fd00:1::ffff')))
  assert.ok(!subnetHas(parseIpSubnet('0.0.0.0/0'), ip('::1')))
  assert.ok(subnetsOverlap(parseIpSubnet('fd00::/8'), parseIpSubnet('fd12:3::/64')))
  assert.ok(!subnetsOverlap(parseIpSubnet('10.0.0.0/24'), parseIpSubnet('10.0.1.0/24')))
  for (const bad of ['fd00::/129', '10.0.0.0/33', '10.0.0.0', '/8', 'fd00::/']) assert.throws(() => parseIpSubnet(bad), error => hasCode(error, 'invalid-subnet'), bad)
})
