import type { ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType } from './message.ts'

/**
 * The data of conf-change entries: one byte transition, count, then per change one byte type and the node id, then the context.
 * Counts and ids are base-128 varints. Leaving a joint configuration (no changes, no context) is the empty string, so that no size limit refuses it.
 */
const TRANSITIONS: readonly ConfChangeTransition[] = ['auto', 'joint-implicit', 'joint-explicit']
const TYPES: readonly ConfChangeType[] = ['add-node', 'remove-node', 'update-node', 'add-learner-node']

/** The change that leaves a joint configuration. */
export const LEAVE_JOINT: ConfChange = { transition: 'auto', changes: [] }

/** A membership change as the data of an entry; decodeConfChange reads it. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  if (change.changes.length === 0 && change.transition === 'auto' && (change.context?.length ?? 0) === 0) return new Uint8Array()
  const bytes: number[] = [TRANSITIONS.indexOf(change.transition)]
  writeVarint(bytes, change.changes.length)
  for (const { type, nodeId } of change.changes) {
    bytes.push(TYPES.indexOf(type))
    writeVarint(bytes, nodeId)
  }
  const head = Uint8Array.from(bytes)
  const context = change.context ?? new Uint8Array()
  const data = new Uint8Array(head.length + context.length)
  data.set(head)
  data.set(context, head.length)
  return data
}

/** @throws RangeError on bytes that encodeConfChange did not make */
export function decodeConfChange(data: Uint8Array): ConfChange {
  if (data.length === 0) return LEAVE_JOINT
  const reader = { data, at: 0 }
  const transition = pick(TRANSITIONS, readByte(reader))
  const count = readVarint(reader)
  const changes: ConfChangeSingle[] = []
  for (let i = 0; i < count; i++) changes.push({ type: pick(TYPES, readByte(reader)), nodeId: readVarint(reader) })
  const context = data.slice(reader.at)
  return context.length > 0 ? { transition, changes, context } : { transition, changes }
}

interface Reader { readonly data: Uint8Array; at: number }

function writeVarint(bytes: number[], value: number): void {
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80)
  bytes.push(value)
}

function readVarint(reader: Reader): number {
  let value = 0
  for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
    const byte = readByte(reader)
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
  throw new RangeError('conf change: number too long')
}

function readByte(reader: Reader): number {
  const byte = reader.data[reader.at++]
  if (byte === undefined) throw new RangeError('conf change: truncated')
  return byte
}

function pick<T>(values: readonly T[], index: number): T {
  const value = values[index]
  if (value === undefined) throw new RangeError(`conf change: unknown code ${index}`)
  return value
}
