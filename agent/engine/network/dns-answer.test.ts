import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode, type Packet } from 'dns-packet'
import { answerLocally, failureReply, fitDatagram, parseQuery, type LocalNames } from './dns-answer.ts'

const names: LocalNames = {
  addresses: name => ({ web: ['10.0.0.2'], many: Array.from({ length: 60 }, (_, at) => `10.0.1.${at}`), none: [] } as Record<string, string[]>)[name],
  reverse: address => (address === '10.0.0.2' ? 'web.net' : undefined),
}
const query = (name: string, type = 'A', more: object = {}): Packet =>
  parseQuery(encode({ type: 'query', id: 7, flags: 256, questions: [{ name, type: type as 'A' }], ...more })) as Packet
const answer = (packet: Packet): ReturnType<typeof decode> | undefined => {
  const bytes = answerLocally(packet, names, addresses => addresses)
  return bytes === undefined ? undefined : decode(bytes)
}

test('a local name is answered in any case, with the id and question of the query', () => {
  const reply = answer(query('WEB.'))
  assert.equal(reply?.id, 7)
  assert.equal(reply?.questions?.[0]?.name.toLowerCase(), 'web')
  assert.deepEqual(reply?.answers?.map(each => ('data' in each ? each.data : '')), ['10.0.0.2'])
})

test('other types of a local name have no data, and are not asked elsewhere', () => {
  const reply = answer(query('web', 'AAAA'))
  assert.deepEqual([reply?.answers, (reply as { rcode?: string }).rcode], [[], 'NOERROR'])
})

test('a known name without anybody behind it does not exist', () => {
  assert.equal((answer(query('none')) as { rcode?: string }).rcode, 'NXDOMAIN')
})

test('unknown names and pointers are left to others', () => {
  assert.equal(answer(query('example.org')), undefined)
  assert.equal(answer(query('9.9.9.9.in-addr.arpa', 'PTR')), undefined)
})

test('a pointer to a local address gives its full name', () => {
  const reply = answer(query('2.0.0.10.in-addr.arpa', 'PTR'))
  assert.deepEqual(reply?.answers?.map(each => ('data' in each ? each.data : '')), ['web.net'])
})

test('what does not fit into a datagram is cut and marked, unless the client takes more', () => {
  const small = query('many')
  const whole = answerLocally(small, names, addresses => addresses) as Buffer
  const cut = fitDatagram(small, whole)
  assert.ok(cut.length <= 512)
  assert.equal(decode(cut).flag_tc, true)
  const large = query('many', 'A', { additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [], extendedRcode: 0, ednsVersion: 0, flag_do: false }] })
  assert.equal(fitDatagram(large, whole), whole)
})

test('rubbish is no query, and a failure is said to be one', () => {
  assert.equal(parseQuery(Buffer.from('hello')), undefined)
  assert.equal(parseQuery(encode({ type: 'response', id: 1, questions: [{ name: 'web', type: 'A' }] })), undefined)
  assert.equal((decode(failureReply(query('x'))) as { rcode?: string }).rcode, 'SERVFAIL')
})
