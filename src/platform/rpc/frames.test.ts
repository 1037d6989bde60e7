import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../clock/seeded-random.ts'
import { EMPTY_FRAME, FrameReader, frameOf } from './frames.ts'

test('frames come out as they went in, however the bytes are cut', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed)
    const below = (limit: number): number => Math.floor(random.next() * limit)
    const frames = Array.from({ length: 30 }, () => Uint8Array.from({ length: random.next() < 0.2 ? 0 : below(random.next() < 0.1 ? 5000 : 50) }, () => below(256)))
    const bytes = Buffer.concat(frames.map(frame => frame.length === 0 ? EMPTY_FRAME : frameOf(frame)))
    const read: Uint8Array[] = []
    const reader = new FrameReader(5000, frame => read.push(frame))
    for (let at = 0; at < bytes.length;) {
      const length = 1 + below(random.next() < 0.5 ? 3 : 2000)
      reader.read(Buffer.from(bytes.subarray(at, at + length)))
      at += length
    }
    assert.deepEqual(read, frames, `seed ${seed}`)
    assert(read.every(frame => !Buffer.isBuffer(frame)), 'slice() of a Buffer would not copy')
  }
})

test('a frame that is too long is refused by its length alone, those before it count', () => {
  const read: number[] = []
  const reader = new FrameReader(10, frame => read.push(frame.length))
  const tooLong = Buffer.from([0, 0, 0, 11])
  assert.throws(() => reader.read(Buffer.concat([frameOf(new Uint8Array(10)), tooLong])), { code: 'message-too-large' })
  assert.deepEqual(read, [10])
  assert.throws(() => new FrameReader(10, () => {}).read(Buffer.from([0xff, 0xff, 0xff, 0xff])), { code: 'message-too-large' })
})

test('the limit may change between two frames that came together', () => {
  const read: number[] = []
  const reader: FrameReader = new FrameReader(4, frame => { read.push(frame.length); reader.bytesMax = 100 })
  reader.read(Buffer.concat([frameOf(new Uint8Array(4)), frameOf(new Uint8Array(100))]))
  assert.deepEqual(read, [4, 100])
})
