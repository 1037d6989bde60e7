import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatJournalEntry } from './journal-message.ts'
import type { LogMessage } from './log-sink.ts'
import { MessageSplitter } from './message-splitter.ts'
import { formatSyslog } from './syslog-message.ts'
import { parseAddress, planSyslog } from './syslog-options.ts'

const AT_NS = BigInt(new Date(2026, 0, 2, 3, 4, 5).getTime()) * 1_000_000n + 123_456_789n
const SENDER = { hostname: 'h1', pid: 42 }

function message(stream: number, line: string): LogMessage { return { stream, atNs: AT_NS, line: Buffer.from(line), isPartial: false } }

function syslog(options: Readonly<Record<string, string>>, stream = 1): string { return formatSyslog(planSyslog(options, 'tag'), SENDER, message(stream, 'hello')).toString() }

function rec(atNs: bigint, stream: number, text: string): Buffer {
  const head = Buffer.alloc(16)
  head.writeBigUInt64LE(atNs, 0)
  head[8] = stream
  head.writeUInt32BE(Buffer.byteLength(text), 12)
  return Buffer.concat([head, Buffer.from(text)])
}

test('syslog messages look as dockerd writes them', () => {
  assert.equal(syslog({}), '<30>Jan  2 03:04:05 tag[42]: hello\n')
  assert.equal(syslog({}, 2), '<27>Jan  2 03:04:05 tag[42]: hello\n')
  assert.equal(syslog({ 'syslog-format': 'rfc3164', 'syslog-facility': 'local0' }), '<134>Jan  2 03:04:05 h1 tag[42]: hello\n')
  const iso = new Date(Number(AT_NS / 1_000_000n)).toISOString().slice(0, 19)
  assert.equal(syslog({ 'syslog-format': 'rfc5424' }), `<30>1 ${iso}Z h1 tag 42 tag - hello\n`)
  assert.equal(syslog({ 'syslog-format': 'rfc5424micro' }), `<30>1 ${iso}.123456Z h1 tag 42 tag - hello\n`)
  const framed = syslog({ 'syslog-format': 'rfc5424', 'syslog-address': 'tcp+tls://h' })
  assert.match(framed, /^(\d+) <30>1 /)
  assert.equal(Number(framed.split(' ')[0]), framed.length - framed.indexOf(' ') - 1)
})

test('addresses have the ports that syslog has', () => {
  assert.deepEqual(parseAddress('udp://a'), { kind: 'udp', host: 'a', port: 514 })
  assert.deepEqual(parseAddress('tcp+tls://[fe80::1]:99'), { kind: 'tls', host: 'fe80::1', port: 99 })
  assert.deepEqual(parseAddress('unixgram:///run/log'), { kind: 'datagram', paths: ['/run/log'] })
  for (const bad of ['x', 'udp://', 'udp://a:b', 'http://a']) assert.throws(() => parseAddress(bad), { code: 'invalid-log-option' })
})

test('a journal entry tells the length of what has line feeds', () => {
  const entry = formatJournalEntry({ CONTAINER_NAME: 'web' }, message(2, 'one'))
  assert.match(entry.toString(), /^MESSAGE=one\nCONTAINER_NAME=web\nPRIORITY=3\nSYSLOG_TIMESTAMP=.*Z\n$/)
  const binary = formatJournalEntry({ A: 'x\ny' }, { ...message(1, 'z'), isPartial: true })
  assert.ok(binary.includes(Buffer.concat([Buffer.from('A\n'), Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('x\ny\n')])))
  assert.ok(binary.includes('CONTAINER_PARTIAL_MESSAGE=true\n'))
})

test('records become lines; long ones in pieces, and where to go on is before what was not told', () => {
  const splitter = new MessageSplitter()
  const first = Buffer.concat([rec(1n, 1, 'a\nb'), rec(2n, 2, 'err\n')])
  const told = (messages: Iterable<LogMessage>): readonly string[] => [...messages].map(({ stream, line, isPartial }) => `${stream}:${line.length > 10 ? line.length : line.toString()}${isPartial ? '+' : ''}`)
  assert.deepEqual(told(splitter.push(first, { inode: 7, offset: 100 })), ['1:a', '2:err'])
  assert.deepEqual(splitter.resumeAt({ inode: 7, offset: 100 + first.length }), { inode: 7, offset: 100 })
  assert.deepEqual(told(splitter.push(rec(3n, 1, 'c\n'), { inode: 8, offset: 0 })), ['1:bc'])
  assert.deepEqual(splitter.resumeAt({ inode: 8, offset: 18 }), { inode: 8, offset: 18 })
  assert.deepEqual(told(splitter.push(rec(4n, 1, `${'x'.repeat(40_000)}\nend`), { inode: 8, offset: 18 })), ['1:16384+', '1:16384+', '1:7232'])
  assert.deepEqual(told(splitter.rest()), ['1:end'])
})
