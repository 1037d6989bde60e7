import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendLog } from '../../src/base/storage.ts'

/** A place that keeps a log: opens it again and again. */
export interface LogPlace { open(): Promise<AppendLog> }

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What every AppendLog has to do. `createPlace` makes a new empty place. */
export function appendLogSuite(name: string, createPlace: () => Promise<LogPlace>): void {
  const withLog = (title: string, run: (log: AppendLog, place: LogPlace) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const place = await createPlace()
      await using log = await place.open()
      await run(log, place)
    })
  }

  withLog('a new log is empty', async log => {
    assert.deepEqual(await texts(log), [])
  })

  withLog('records come back in the order of the calls, also of overlapping ones', async log => {
    await Promise.all([log.append([bytes('a'), bytes('')]), log.append([bytes('b')]), log.append([]), log.append([bytes('c')])])
    await log.append([bytes('d')])
    assert.deepEqual(await texts(log), ['a', '', 'b', 'c', 'd'])
  })

  withLog('appends that are awaited, one after the other and large ones between, are all there', async log => {
    const expected = Array.from({ length: 60 }, (_, i) => `${i}${'x'.repeat(i % 7 === 0 ? 5000 : 5)}`)
    for (const text of expected) await log.append([bytes(text)], { isAwaited: true })
    assert.deepEqual(await texts(log), expected)
  })

  withLog('the log keeps its own copy of a record', async log => {
    const record = bytes('x')
    await log.append([record])
    record[0] = 0
    assert.deepEqual(await texts(log), ['x'])
  })

  withLog('rewriting replaces what was there, and appending goes on after it', async log => {
    await log.append([bytes('a'), bytes('b')])
    const before = log.sizeBytes()
    await Promise.all([log.append([bytes('c'.repeat(1000))]), log.rewrite([bytes('B')]), log.append([bytes('d')])])
    await log.append([bytes('e')])
    const all = await texts(log)
    assert.deepEqual(all.filter(text => text !== 'd'), ['B', 'e'], 'an append that overlaps a rewrite stands before or after it')
    assert.ok(log.sizeBytes() < before + 1000)
    await log.rewrite([])
    assert.deepEqual(await texts(log), [])
  })

  withLog('what stands in dropped segments is gone, and all that came after it stays', async (log, place) => {
    const segments: number[] = []
    for (let i = 0; i < 40; i++) segments.push(await log.append([bytes(`${i} ${'x'.repeat(4000)}`)]))
    assert.deepEqual(segments, [...segments].sort((a, b) => a - b))
    const kept = segments[25] as number
    assert.ok(kept > (segments[0] as number), 'the log has several segments')
    const before = log.sizeBytes()
    await log.drop(kept)
    assert.ok(log.sizeBytes() < before)
    const expected = Array.from({ length: 40 }, (_, i) => i).filter(i => (segments[i] as number) >= kept)
    assert.deepEqual((await texts(log)).map(text => parseInt(text, 10)), expected)
    await log.append([bytes('40')])
    await log[Symbol.asyncDispose]()
    await using again = await place.open()
    assert.deepEqual((await texts(again)).map(text => parseInt(text, 10)), [...expected, 40])
  })

  withLog('everything is there after reopening', async (log, place) => {
    await log.append([bytes('a')])
    await log.rewrite([bytes('b')])
    await log.append([bytes('c'), bytes('d')])
    await log[Symbol.asyncDispose]()
    await using again = await place.open()
    assert.deepEqual(await texts(again), ['b', 'c', 'd'])
    await again.append([bytes('e')])
    assert.deepEqual(await texts(again), ['b', 'c', 'd', 'e'])
  })
}

/** All records as text. */
export async function texts(log: AppendLog): Promise<string[]> {
  const found: string[] = []
  for await (const record of log.records()) found.push(new TextDecoder().decode(record))
  return found
}
