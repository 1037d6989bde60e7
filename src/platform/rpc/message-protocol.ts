import { ShoalError } from '../../base/errors.ts'
import { ERROR_TEXT_MAX } from './rpc-limits.ts'
import { isErrorKind } from './status-codes.ts'

/**
 * What a channel of messages is on the wire (D-701): TLS on a manager's port, told apart from gRPC by this name of ALPN (RFC 7301). Both ways go frames (frames.ts).
 * The sender's first one is the path of the channel, each other a message; empty ones ask for a sign of life. The receiver answers with empty ones, with ACCEPTED
 * after the first message, and with a refusal at the end.
 */
export const MESSAGE_PROTOCOL = 'shoal-messages/1'
/** The receiver took the first message. */
export const ACCEPTED = Buffer.from('{}')
/** The longest frame before the receiver knows who speaks and of what. */
export const PATH_BYTES_MAX = 256
/** The longest answer: an error's text may consist of characters of six bytes each. */
export const ANSWER_BYTES_MAX = 32 * 1024
/** What a sender is told whose messages are not taken any more. */
export function encodeRefusal({ kind, code, message }: ShoalError): Buffer {
  return Buffer.from(JSON.stringify({ kind, code, message: message.slice(0, ERROR_TEXT_MAX) }))
}

/** @returns the receiver's error; undefined for ACCEPTED. @throws SyntaxError, or ShoalError `rpc-failed` (unavailable), if it is neither */
export function decodeAnswer(bytes: Uint8Array): ShoalError | undefined {
  if (ACCEPTED.equals(bytes)) return undefined
  const { kind, code, message } = JSON.parse(Buffer.from(bytes).toString()) as Readonly<Record<string, unknown>>
  if (!isErrorKind(kind) || typeof code !== 'string' || typeof message !== 'string') throw new ShoalError('unavailable', 'rpc-failed', 'an answer to messages makes no sense')
  return new ShoalError(kind, code, message)
}
