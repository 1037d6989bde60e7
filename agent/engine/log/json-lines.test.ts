import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomInt } from '../../../src/base/random.ts'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { JsonLines } from './json-lines.ts'
import { RECORD_HEAD } from './record-head.ts'

interface Entry { readonly log: string; readonly stream: 'stdout' | 'stderr'; readonly time: string; readonly attrs?: object }

const T1 = '2024-01-02T03:04:05.000000006Z'
const T2 = '2024-01-02T03:04:06.100000000Z'

/** As Docker's marshaller writes it. */
function line({ log, stream, time, attrs }: Entry): string {
  const text = JSON.stringify(log).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e').replaceAll('&', '\\u0026').replaceAll('\t', '\\u0009').replaceAll('\\t', '\\u0009')
  return `{"log":${text},"stream":"${stream}"${attrs === undefined ? '' : `,"attrs":${JSON.stringify(attrs)}`},"time":"${time}"}\n`
}

function recordsOf(entries: readonly Entry[], joined = false): readonly (readonly [number, bigint, string])[] {
  const bytes = new JsonLines(joined).toRecords(Buffer.from(entries.map(line).join('')))
  const records: (readonly [number, bigint, string])[] = []
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at + 12)
    records.push([bytes[at + 8] ?? 0, bytes.readBigUInt64LE(at), bytes.subarray(at + RECORD_HEAD, at + RECORD_HEAD + length).toString()])
    at += RECORD_HEAD + length
  }
  return records
}

test('each line is a record with its stream and time', () => {
  const entries: readonly Entry[] = [{ log: 'one\n', stream: 'stdout', time: T1 }, { log: 'two\n', stream: 'stderr', time: T2, attrs: { a: '"}' } }, { log: 'no end', stream: 'stdout', time: T2 }, { log: '\n', stream: 'stdout', time: T1 }, { log: '', stream: 'stderr', time: T1 }]
  const ns = (text: string): bigint => BigInt(Date.parse(text)) * 1_000_000n + BigInt(Number(text.slice(20, 29)) % 1_000_000)
  assert.deepEqual(recordsOf(entries), entries.map(({ log, stream, time }) => [stream === 'stdout' ? 1 : 2, ns(time), log]))
})

test('joined, neighbours of one stream are one record', () => {
  assert.deepEqual(recordsOf([{ log: 'a\n', stream: 'stdout', time: T1 }, { log: 'b "q"\n', stream: 'stdout', time: T2 }, { log: 'c\n', stream: 'stderr', time: T2 }], true).map(([stream, , text]) => [stream, text]), [[1, 'a\nb "q"\n'], [2, 'c\n']])
})

test('any text comes back as it was', () => {
  const random = new SeededRandom(7)
  const pieces = ['a', '"', '\\', '\\n', '\n', '\t', '\r', '<&>', 'é', '\u2028', '😀', '","stream":"stderr', 'plain words ', '\u0000', '{"log":"x"}']
  for (let round = 0; round < 300; round++) {
    const entries = Array.from({ length: 4 }, (): Entry => ({ log: Array.from({ length: randomInt(random, 6) }, () => pieces[randomInt(random, pieces.length)]).join(''), stream: randomInt(random, 2) === 0 ? 'stdout' : 'stderr', time: T1 }))
    assert.deepEqual(recordsOf(entries).map(([stream, , text]) => [stream, text]), entries.map(({ log, stream }) => [stream === 'stdout' ? 1 : 2, log]), JSON.stringify(entries))
  }
})

test('what is no line of a log is passed over', () => {
  assert.equal(new JsonLines(false).toRecords(Buffer.from('\n{}\nnonsense that is longer than the shortest line there can be, to be sure\n{"log":"\\x","stream":"stdout","time":"2024-01-02T03:04:05.000000006Z"}\n')).length, 0)
})
