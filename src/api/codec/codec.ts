/**
 * Domain objects to protobuf bytes and back. One generic codec over the generated descriptor (SCHEMA), so that an
 * object kind costs a .proto message and nothing else.
 */
import protobuf from 'protobufjs'
import { ShoalError } from '../../base/errors.ts'
import type { MessageName, MessageTypes } from './message-types.ts'
import { SCHEMA } from './schema.ts'

/** A value with its scalar fields optional, as builders write it; absent scalars become their proto3 zero. */
export type Draft<T> = T extends Uint8Array | string | number | boolean ? T
  : T extends readonly (infer U)[] ? readonly Draft<U>[]
  : T extends object ? { readonly [K in keyof T]?: Draft<T[K]> | undefined } : T

type Convert = (value: unknown) => unknown
interface Compiled { readonly type: protobuf.Type; readonly toDomain: (message: Record<string, unknown>) => Record<string, unknown> }

// Numbers of 64 bits are numbers here (below 2^53, as the domain's are); objects for them cost more than the rest of a message.
Object.assign(protobuf.util, { Long: undefined })
protobuf.configure()

const ROOT = protobuf.Root.fromJSON(SCHEMA as protobuf.INamespace)
const COMPILED = new Map<string, Compiled>()

/** Encodes `value` as the message `name`. Unknown properties are ignored; absent ones take no space. */
export function encode<N extends MessageName>(name: N, value: Draft<MessageTypes[N]>): Uint8Array {
  const { type } = compiled(name)
  return type.encode(type.fromObject(value as Record<string, unknown>)).finish()
}

/** Decodes bytes of the message `name`. @throws ShoalError `malformed-message` (invalid-argument) on bytes that are none. */
export function decode<N extends MessageName>(name: N, bytes: Uint8Array): MessageTypes[N] {
  const { type, toDomain } = compiled(name)
  try {
    return toDomain(type.decode(bytes) as unknown as Record<string, unknown>) as unknown as MessageTypes[N]
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'malformed-message', `these ${bytes.length} bytes are not a ${name}`, { cause })
  }
}

/** Completes a draft: lists and maps become empty, scalars their zero, enums their first value; absent messages and optionals stay absent. */
export function make<N extends MessageName>(name: N, draft: Draft<MessageTypes[N]>): MessageTypes[N] {
  const { type, toDomain } = compiled(name)
  return toDomain(type.fromObject(draft as Record<string, unknown>) as unknown as Record<string, unknown>) as unknown as MessageTypes[N]
}

function compiled(name: string): Compiled {
  const known = COMPILED.get(name)
  if (known !== undefined) return known
  const type = ROOT.lookupType(`shoal.v1.${name}`)
  const fields: { name: string; absent: (m: Record<string, unknown>) => boolean; convert: Convert }[] = []
  const entry: Compiled = {
    type,
    toDomain: message => {
      const out: Record<string, unknown> = {}
      for (const field of fields) if (!field.absent(message)) out[field.name] = field.convert(message[field.name])
      return out
    },
  }
  COMPILED.set(name, entry)
  for (const field of type.fieldsArray) {
    field.resolve()
    const hasPresence = !field.repeated && !field.map && (field.partOf !== null && field.partOf !== undefined || field.resolvedType instanceof protobuf.Type)
    const absent = (m: Record<string, unknown>): boolean => hasPresence && (!Object.hasOwn(m, field.name) || m[field.name] === null || m[field.name] === undefined)
    fields.push({ name: field.name, absent, convert: converterOf(field) })
  }
  return entry
}

function converterOf(field: protobuf.Field): Convert {
  const one = scalarConverter(field)
  if (field.map) return value => Object.fromEntries(Object.entries((value ?? {}) as object).map(([k, v]) => [k, one(v)]))
  if (field.repeated) return value => ((value ?? []) as unknown[]).map(one)
  return one
}

function scalarConverter(field: protobuf.Field): Convert {
  const resolved = field.resolvedType
  if (resolved instanceof protobuf.Type) {
    const inner = compiled(resolved.name)
    return value => inner.toDomain(value as Record<string, unknown>)
  }
  // An enum value this build does not know stays a number: readers' switches treat it as unknown instead of failing.
  if (resolved instanceof protobuf.Enum) return value => resolved.valuesById[value as number] ?? value
  if (/64$/.test(field.type)) return value => (typeof value === 'number' ? value : Number(String(value)))
  // A copy: a slice of the network buffer would keep the whole buffer alive, and Buffer compares unlike Uint8Array.
  if (field.type === 'bytes') return value => (value instanceof Uint8Array ? new Uint8Array(value) : Uint8Array.from(value as Iterable<number>))
  return value => value
}
