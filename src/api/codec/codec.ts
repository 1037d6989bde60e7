/**
 * Domain objects to protobuf bytes and back, by code that is generated from the descriptor (SCHEMA) when a message is met first, so that an object kind costs a
 * .proto message and nothing else.
 */
import protobuf from 'protobufjs'
import { ShoalError } from '../../base/errors.ts'
import { generateCodec, type Domain, type MessageCodec } from './generate-codec.ts'
import type { MessageName, MessageTypes } from './message-types.ts'
import { SCHEMA } from './schema.ts'
import { WireWriter } from './wire-writer.ts'

/** A value with its scalar fields optional, as builders write it; absent scalars become their proto3 zero. */
export type Draft<T> = T extends Uint8Array | string | number | boolean ? T
  : T extends readonly (infer U)[] ? readonly Draft<U>[]
  : T extends object ? { readonly [K in keyof T]?: Draft<T[K]> | undefined } : T

// Numbers of 64 bits are numbers here (below 2^53, as the domain's are); objects for them cost more than the rest of a message.
Object.assign(protobuf.util, { Long: undefined })
protobuf.configure()

const ROOT = protobuf.Root.fromJSON(SCHEMA as protobuf.INamespace)
const CODECS = new Map<string, MessageCodec>()
const WRITER = createWriter()

/** Encodes `value` as the message `name`. Unknown properties are ignored; absent ones take no space. */
export function encode<N extends MessageName>(name: N, value: Draft<MessageTypes[N]>): Uint8Array {
  WRITER.begin()
  codecOf(name).encode(value as Domain, WRITER)
  return WRITER.finish()
}

/** Decodes bytes of the message `name`. @throws ShoalError `malformed-message` (invalid-argument) on bytes that are none */
export function decode<N extends MessageName>(name: N, bytes: Uint8Array): MessageTypes[N] {
  try {
    const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return codecOf(name).decode(protobuf.Reader.create(buffer), buffer.length) as unknown as MessageTypes[N]
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'malformed-message', `these ${bytes.length} bytes are not a ${name}`, { cause })
  }
}

/** Completes a draft: lists and maps become empty, scalars their zero, enums their first value; absent messages and optionals stay absent. */
export function make<N extends MessageName>(name: N, draft: Draft<MessageTypes[N]>): MessageTypes[N] {
  return codecOf(name).complete(draft as Domain) as unknown as MessageTypes[N]
}

function codecOf(name: string): MessageCodec {
  const known = CODECS.get(name)
  if (known !== undefined) return known
  const codec = generateCodec(ROOT.lookupType(`shoal.v1.${name}`), codecOf)
  CODECS.set(name, codec)
  return codec
}

/** One for all: encoding ends in the turn it begins in. */
function createWriter(): WireWriter { return new WireWriter() }
