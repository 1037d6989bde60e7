import { unframeRecords } from './framed-records.ts'
import { openStream } from './sealed-stream.ts'

/** The records of a sealed state, one at a time. Believe them only when all were read: then the file is whole. @throws as openStream() and unframeRecords() */
export async function* openBackup(bytes: AsyncIterable<Uint8Array>, passphrase: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* unframeRecords((await openStream(bytes, passphrase)).content)
}
