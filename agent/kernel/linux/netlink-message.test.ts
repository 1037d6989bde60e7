import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkRequest } from './link-messages.ts'
import { attribute, message, nested, parseAttributes, parseMessages, readText, text, u32 } from './netlink-message.ts'

test('attributes are padded, parsed back and may nest', () => {
  const bytes = Buffer.concat([attribute(3, text('br0')), attribute(5, Buffer.of(1)), nested(18, attribute(1, text('veth')))])
  assert.equal(bytes.length % 4, 0)
  const parsed = parseAttributes(bytes)
  assert.equal(readText(parsed.get(3) ?? Buffer.alloc(0)), 'br0')
  assert.deepEqual([...parsed.get(5) ?? []], [1])
  assert.equal(readText(parseAttributes(parsed.get(18) ?? Buffer.alloc(0)).get(1) ?? Buffer.alloc(0)), 'veth')
})

test('several messages of one datagram are told apart; a torn one is left out', () => {
  const datagram = Buffer.concat([message(2, 0, 7, u32(1)), message(3, 0, 8)])
  assert.deepEqual(parseMessages(datagram).map(each => [each.type, each.sequence, each.body.length]), [[2, 7, 4], [3, 8, 0]])
  assert.equal(parseMessages(datagram.subarray(0, 19)).length, 0)
})

test('an address request is the bytes that ip(8) sends with "brd +"', () => {
  const request = linkRequest({ kind: 'add-address', link: 'eth0', cidr: '10.9.0.2/24' }, { index: () => 5, netnsFd: () => 0 })
  assert.equal(request.type, 20)
  assert.equal(Buffer.concat(request.parts).toString('hex'), '02180000' + '05000000' + '08000200' + '0a090002' + '08000100' + '0a090002' + '08000400' + '0a0900ff')
})

test('rules and routes of other tables are the bytes that ip(8) sends', () => {
  const lookups = { index: () => 5, netnsFd: () => 0 }
  const hex = (operation: Parameters<typeof linkRequest>[0]): string => Buffer.concat(linkRequest(operation, lookups).parts).toString('hex')
  const header = '0200000000000001' + '00000000'
  assert.equal(hex({ kind: 'add-rule', priority: 1002, table: 0x53480000, udpSourcePort: 54 }), header + '08000600ea030000' + '08000f0000004853' + '0500160011000000' + '0800170036003600')
  assert.equal(hex({ kind: 'add-rule', priority: 1001, table: 254, isDefaultIgnored: true }), header + '08000600e9030000' + '08000f00fe000000' + '08000e0000000000')
  assert.match(hex({ kind: 'add-route', to: 'default', via: '10.0.0.2', link: 'eth0', table: 7, source: '10.0.0.9' }), /080005000a0000020800040005000000080007000a00000908000f0007000000$/)
})
