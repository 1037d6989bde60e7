import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { FakeClock } from '../../platform/clock/fake-clock.ts'
import { JSON_BODY_BYTES_MAX, JSON_BODY_TIMEOUT_MS, readJsonBody } from './json-body.ts'

const options = (clock: FakeClock): Parameters<typeof readJsonBody>[1] => ({ contentType: 'application/json', shape: 'any', clock })

test('a body that does not come to its end in time is given up', async () => {
  const clock = new FakeClock()
  const body = new PassThrough()
  body.write('{"a":')
  const read = assert.rejects(readJsonBody(body, options(clock)), { code: 'body-too-slow', kind: 'invalid-argument' })
  await clock.advance(JSON_BODY_TIMEOUT_MS)
  await read
})

test('a body over the limit is refused, one that is no UTF-8 JSON too', async () => {
  const clock = new FakeClock()
  const part = Buffer.alloc(1024 * 1024, 0x20)
  await assert.rejects(readJsonBody(Readable.from(Array.from({ length: JSON_BODY_BYTES_MAX / part.length + 1 }, () => part)), options(clock)), { code: 'body-too-large' })
  await assert.rejects(readJsonBody(Readable.from([Buffer.from([0xff, 0xfe, 0x00])]), options(clock)), { code: 'invalid-json' })
  assert.deepEqual(await readJsonBody(Readable.from([Buffer.from('{"a":1}')]), options(clock)), { a: 1 })
})
