import type { Entry } from './message.ts'

/** What an entry costs beside its data: term, index, type and framing, about as on the wire. */
const ENTRY_OVERHEAD_BYTES = 12

/** Size of entries in messages and in memory, approximately. Never 0 for an entry. */
export function entriesSizeBytes(entries: readonly Entry[]): number {
  let sum = 0
  for (const entry of entries) sum += entry.data.length + ENTRY_OVERHEAD_BYTES
  return sum
}

/** Size of the proposed data alone: 0 for the empty entry of a new leader and for the entry that leaves a joint configuration. */
export function payloadsSizeBytes(entries: readonly Entry[]): number {
  let sum = 0
  for (const entry of entries) sum += entry.data.length
  return sum
}

/** The longest prefix within `bytesMax`, at least one entry if there is any. */
export function limitEntries(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let sum = 0
  for (let i = 0; i < entries.length; i++) {
    sum += (entries[i] as Entry).data.length + ENTRY_OVERHEAD_BYTES
    if (sum > bytesMax && i > 0) return entries.slice(0, i)
  }
  return entries
}
