import type { Readable, Writable } from 'node:stream'

/**
 * Writes each value, waiting whenever the stream's buffer is full: back-pressure towards the producer.
 * Returns early when the stream closes; then the producer is told by its return().
 */
export async function writeAll(stream: Writable, values: AsyncIterable<Uint8Array>, isOver: () => boolean): Promise<void> {
  for await (const value of values) {
    if (isOver()) return
    if (!stream.write(Buffer.from(value.buffer, value.byteOffset, value.byteLength))) await drained(stream, isOver)
  }
}

/** Values of a duplex in object mode, as byte arrays. Its end leaves the writing side alone, which plain iteration would destroy. */
export async function* readAll(stream: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array
}

async function drained(stream: Writable, isOver: () => boolean): Promise<void> {
  if (isOver()) return
  await new Promise<void>(resolve => {
    const done = (): void => {
      for (const event of EVENTS) stream.off(event, done)
      resolve()
    }
    for (const event of EVENTS) stream.on(event, done)
  })
}

const EVENTS = ['drain', 'close', 'error', 'cancelled', 'status', 'finish'] as const
