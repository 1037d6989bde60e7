import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KvStore, KvWrite } from '../../src/base/storage.ts'

/** A place that keeps a store's data: opens it again and again. */
export interface KvPlace { open(): Promise<KvStore> }

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const put = (key: string, value: string): KvWrite => ({ kind: 'put', key, value: bytes(value) })

/** What every KvStore has to do. `createPlace` makes a new empty place. */
export function kvStoreSuite(name: string, createPlace: () => Promise<KvPlace>): void {
  const withStore = (title: string, run: (store: KvStore, place: KvPlace) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const place = await createPlace()
      await using store = await place.open()
      await run(store, place)
    })
  }

  withStore('an absent key is undefined', async store => {
    assert.equal(await store.get('none'), undefined)
  })

  withStore('a batch writes and deletes, later writes winning', async store => {
    await store.batch([put('a', '1'), put('b', '2'), put('a', '3')])
    await store.batch([{ kind: 'delete', key: 'b' }, { kind: 'delete', key: 'absent' }])
    assert.deepEqual(await store.get('a'), bytes('3'))
    assert.equal(await store.get('b'), undefined)
  })

  withStore('values are bytes of any length, and the store keeps its own copy', async store => {
    const value = Uint8Array.from([0, 255, 10])
    await store.batch([{ kind: 'put', key: 'x', value }, { kind: 'put', key: 'empty', value: new Uint8Array() }])
    value[0] = 9
    assert.deepEqual([...await store.get('x') ?? []], [0, 255, 10])
    assert.equal((await store.get('empty'))?.length, 0)
  })

  withStore('a range is half open and in the order of UTF-8 bytes', async store => {
    await store.batch([put('b', '2'), put('\u{1f600}', '5'), put('c', '3'), put('\uff5e', '4'), put('a', '1'), put('a/x', '1')])
    assert.deepEqual(await keys(store, 'a', 'c'), ['a', 'a/x', 'b'])
    assert.deepEqual(await keys(store, 'c', '\u{10ffff}'), ['c', '\uff5e', '\u{1f600}'])
    assert.deepEqual(await keys(store, 'x', 'a'), [])
  })

  withStore('a range that has begun does not see later writes, and may be left early', async store => {
    await store.batch([put('a', '1'), put('b', '2'), put('c', '3')])
    const seen: string[] = []
    for await (const [key] of store.range('a', 'z')) {
      seen.push(key)
      await store.batch([{ kind: 'delete', key: 'c' }, put('d', '4')])
    }
    assert.deepEqual(seen, ['a', 'b', 'c'])
    for await (const [key] of store.range('a', 'z')) { assert.equal(key, 'a'); break }
    assert.deepEqual(await keys(store, 'a', 'z'), ['a', 'b', 'd'])
  })

  withStore('what was written is there after reopening', async (store, place) => {
    await store.batch([put('a', '1')])
    await store.batch([put('b', '2')], { durable: false })
    await store[Symbol.asyncDispose]()
    await using again = await place.open()
    assert.deepEqual(await keys(again, 'a', 'z'), ['a', 'b'])
  })
}

async function keys(store: KvStore, from: string, to: string): Promise<string[]> {
  const found: string[] = []
  for await (const [key] of store.range(from, to)) found.push(key)
  return found
}
