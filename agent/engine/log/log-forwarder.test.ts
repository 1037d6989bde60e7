import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { FakeClock } from '../../../src/platform/clock/fake-clock.ts'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import type { LogPosition } from './log-cursor.ts'
import { LogForwarder } from './log-forwarder.ts'
import { sendFailed } from './datagram-sink.ts'
import type { LogSink } from './log-sink.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-forward-'))
const path = join(root, 'log')
beforeEach(() => { for (const suffix of ['', '.1']) rmSync(path + suffix, { force: true }) })
after(() => { rmSync(root, { recursive: true, force: true }) })

function rec(text: string): Buffer {
  const head = Buffer.alloc(16)
  head[8] = 1
  head.writeUInt32BE(text.length, 12)
  return Buffer.concat([head, Buffer.from(text)])
}

/** A server that takes lines while `isUp`, and a forwarder to it whose position outlives it. */
function world() {
  const taken: string[] = []
  const server = { isUp: true, opened: 0 }
  let position: LogPosition | undefined
  const clock = new FakeClock()
  const open = async (): Promise<LogSink> => {
    if (!server.isUp) throw sendFailed('connection refused')
    server.opened++
    return {
      send: async ({ line }) => {
        if (!server.isUp) throw sendFailed('broken pipe')
        taken.push(line.toString())
      },
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
  const forwarder = (): LogForwarder => new LogForwarder({
    container: 'c', files: { path, filesMax: 2 }, open, clock, logger: new MemoryLogger(), load: () => position, save: async at => { position = at },
  })
  return { taken, server, clock, forwarder }
}

const never = new AbortController().signal

test('everything is sent once, over rotations and over a restart of the daemon', async () => {
  const { taken, forwarder } = world()
  writeFileSync(path, rec('one\ntwo\nthr'))
  const steps = [() => { appendFileSync(path, rec('ee\n')) }, () => { renameSync(path, `${path}.1`); writeFileSync(path, rec('four\n')) }]
  await forwarder().run(async () => { const step = steps.shift(); step?.(); return step !== undefined }, () => undefined, never)
  assert.deepEqual(taken, ['one', 'two', 'three', 'four'])
  appendFileSync(path, rec('five\nsix'))
  await forwarder().run(async () => false, () => undefined, never)
  assert.deepEqual(taken.slice(4), ['five', 'six'])
})

test('a line that was begun when the daemon stopped is sent whole by the next', async () => {
  const { taken, forwarder } = world()
  const stop = new AbortController()
  writeFileSync(path, rec('one\nbeg'))
  await forwarder().run(async () => { stop.abort(new Error('stop')); return false }, () => undefined, stop.signal)
  appendFileSync(path, rec('un\n'))
  await forwarder().run(async () => false, () => undefined, never)
  assert.deepEqual(taken.filter(line => line !== 'one'), ['begun'])
})

test('a server that is away is waited for, and gets what was written meanwhile', async () => {
  const { taken, server, clock, forwarder } = world()
  writeFileSync(path, rec('one\n'))
  let asked = 0
  const done = forwarder().run(async () => {
    if (asked++ > 0) return false
    server.isUp = false
    appendFileSync(path, rec('two\n'))
    return true
  }, () => undefined, never)
  await clock.advance(60_000)
  assert.deepEqual(taken, ['one'])
  server.isUp = true
  await clock.advance(60_000)
  await done
  assert.deepEqual([taken, server.opened], [['one', 'two'], 2])
})

test('a removed container\'s output is given up when its time is over', async () => {
  const { taken, server, forwarder } = world()
  server.isUp = false
  writeFileSync(path, rec('one\n'))
  const stop = new AbortController()
  const done = forwarder().run(async () => false, () => undefined, stop.signal)
  stop.abort(new Error('removed'))
  await done
  assert.deepEqual(taken, [])
})
