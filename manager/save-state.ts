import type { StateRecords } from '../src/api/swarm/recovery.ts'

/** One message of the stream is closed at this size; an object that is larger goes alone. */
const MESSAGE_BYTES = 1024 * 1024

/** Records of a state gathered into messages. Pulled: holds one message. */
export async function* saveState(records: AsyncIterable<Uint8Array>): AsyncGenerator<StateRecords, void, undefined> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for await (const record of records) {
    if (bytes + record.length > MESSAGE_BYTES && batch.length > 0) {
      yield { records: batch }
      batch = []
      bytes = 0
    }
    batch.push(record)
    bytes += record.length
  }
  if (batch.length > 0) yield { records: batch }
}
