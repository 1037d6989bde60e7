import type { ConfState, Entry, EntryType, HardState, Message, MessageType, Snapshot } from 'raft-ts/message'
import { createMessage } from 'raft-ts/create-message'
import { ByteReader, ByteWriter, malformed } from './byte-codec.ts'

/** The first byte of each message. Another one is refused. */
const MESSAGE_FORMAT = 1
/** Codes on the wire and on disk: only ever appended to. Messages that never leave a node have none. */
const MESSAGE_TYPES: readonly MessageType[] = [
  'MsgProp', 'MsgApp', 'MsgAppResp', 'MsgVote', 'MsgVoteResp', 'MsgSnap', 'MsgHeartbeat', 'MsgHeartbeatResp', 'MsgTransferLeader', 'MsgTimeoutNow',
  'MsgReadIndex', 'MsgReadIndexResp', 'MsgPreVote', 'MsgPreVoteResp',
]
const ENTRY_TYPES: readonly EntryType[] = ['normal', 'conf-change', 'conf-change-v2']
/** About what is beside the data of an entry. */
const ENTRY_BYTES = 16
const HAS_REJECT = 1
const HAS_CONTEXT = 2
const HAS_SNAPSHOT = 4

/** A message as peers exchange it. The data of a snapshot is not in it: it travels beside (snapshot-stream.ts). */
export function encodeMessage(message: Message): Uint8Array {
  const type = MESSAGE_TYPES.indexOf(message.type)
  if (type < 0) throw malformed(`${message.type} does not travel`)
  const flags = (message.reject ? HAS_REJECT : 0) | (message.context === undefined ? 0 : HAS_CONTEXT) | (message.snapshot === undefined ? 0 : HAS_SNAPSHOT)
  let dataBytes = 0
  for (const { data } of message.entries) dataBytes += data.length + ENTRY_BYTES
  const writer = new ByteWriter(dataBytes).byte(MESSAGE_FORMAT).byte(type).byte(flags)
  writer.number(message.to).number(message.from).number(message.term).number(message.logTerm).number(message.index).number(message.commit).number(message.vote).number(message.rejectHint)
  if (message.context !== undefined) writer.bytes(message.context)
  if (message.snapshot !== undefined) writeSnapshot(writer, message.snapshot)
  writer.number(message.entries.length)
  for (const entry of message.entries) writeEntry(writer, entry)
  return writer.finish()
}

/** @throws ShoalError `malformed-message` (invalid-argument) */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new ByteReader(bytes)
  const format = reader.byte()
  if (format !== MESSAGE_FORMAT) throw malformed(`format ${format} is not known here`)
  const type = MESSAGE_TYPES[reader.byte()]
  if (type === undefined) throw malformed('its type is not known here')
  const flags = reader.byte()
  // In the order in which they were written.
  const head = {
    to: reader.number(), from: reader.number(), term: reader.number(), logTerm: reader.number(), index: reader.number(), commit: reader.number(), vote: reader.number(), rejectHint: reader.number(),
    reject: (flags & HAS_REJECT) !== 0,
  }
  const context = (flags & HAS_CONTEXT) === 0 ? undefined : reader.bytes()
  const snapshot = (flags & HAS_SNAPSHOT) === 0 ? undefined : readSnapshot(reader)
  const entries: Entry[] = []
  for (let left = reader.number(); left > 0; left--) entries.push(readEntry(reader))
  return createMessage({ type, ...head, entries, ...context === undefined ? {} : { context }, ...snapshot === undefined ? {} : { snapshot } })
}

/** An entry as records and messages hold it. */
export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.number(entry.term).number(entry.index).byte(ENTRY_TYPES.indexOf(entry.type)).bytes(entry.data)
}

/** @throws ShoalError `malformed-message` */
export function readEntry(reader: ByteReader): Entry {
  const term = reader.number()
  const index = reader.number()
  const type = ENTRY_TYPES[reader.byte()]
  if (type === undefined) throw malformed('the type of an entry is not known here')
  return { term, index, type, data: reader.bytes() }
}

/** A hard state as records hold it. */
export function writeHardState(writer: ByteWriter, { term, vote, commit }: HardState): void {
  writer.number(term).number(vote).number(commit)
}

/** @throws ShoalError `malformed-message` */
export function readHardState(reader: ByteReader): HardState {
  return { term: reader.number(), vote: reader.number(), commit: reader.number() }
}

function writeSnapshot(writer: ByteWriter, { metadata: { index, term, confState } }: Snapshot): void {
  writer.number(index).number(term)
  writer.numbers(confState.voters).numbers(confState.learners).numbers(confState.votersOutgoing).numbers(confState.learnersNext).byte(confState.autoLeave ? 1 : 0)
}

function readSnapshot(reader: ByteReader): Snapshot {
  const index = reader.number()
  const term = reader.number()
  const confState: ConfState = {
    voters: reader.numbers(), learners: reader.numbers(), votersOutgoing: reader.numbers(), learnersNext: reader.numbers(), autoLeave: reader.byte() === 1,
  }
  return { metadata: { index, term, confState }, data: new Uint8Array() }
}
