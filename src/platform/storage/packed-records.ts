const LENGTH_BYTES = 4

/** Records in one buffer of their own, to be handed to another thread: posting each by itself would copy the buffer that each is a part of. */
export function packRecords(records: readonly Uint8Array[]): ArrayBuffer {
  const packed = new Uint8Array(records.reduce((sum, record) => sum + LENGTH_BYTES + record.length, 0))
  const view = new DataView(packed.buffer)
  let at = 0
  for (const record of records) {
    view.setUint32(at, record.length, true)
    packed.set(record, at + LENGTH_BYTES)
    at += LENGTH_BYTES + record.length
  }
  return packed.buffer
}

/** The records of packRecords(), as views. */
export function unpackRecords(packed: ArrayBuffer): readonly Uint8Array[] {
  const records: Uint8Array[] = []
  const view = new DataView(packed)
  for (let at = 0; at < packed.byteLength;) {
    const length = view.getUint32(at, true)
    records.push(new Uint8Array(packed, at + LENGTH_BYTES, length))
    at += LENGTH_BYTES + length
  }
  return records
}
