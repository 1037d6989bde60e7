import type { Entry, Message, MessageType } from './message.ts'

const NO_ENTRIES: readonly Entry[] = []
const NO_RESPONSES: readonly Message[] = []

/** A message with all fields; those not given are zero or empty. */
export function createMessage(fields: Partial<Message> & { readonly type: MessageType }): Message {
  return { to: 0, from: 0, term: 0, logTerm: 0, index: 0, entries: NO_ENTRIES, commit: 0, vote: 0, reject: false, rejectHint: 0, responses: NO_RESPONSES, ...fields }
}
