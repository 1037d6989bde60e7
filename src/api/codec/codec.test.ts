import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { hasCode } from '../../base/errors.ts'
import { SeededRandom } from '../../platform/clock/seeded-random.ts'
import { decode, encode, make } from './codec.ts'
import type { MessageName } from './message-types.ts'
import { SCHEMA } from './schema.ts'

type Plain = Record<string, unknown>

const ROOT = protobuf.Root.fromJSON(SCHEMA as protobuf.INamespace)
const TYPES: readonly protobuf.Type[] = ROOT.lookup('shoal.v1') instanceof protobuf.Namespace
  ? (ROOT.lookup('shoal.v1') as protobuf.Namespace).nestedArray.filter((each): each is protobuf.Type => each instanceof protobuf.Type) : []
const ROUNDS = 8
const DAMAGED_ROUNDS = 20
const TEXTS = ['', 'a', 'key', 'ä', '😀 smile', '\ufffd', '\ufeffmark', '\0', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(65), `${'x'.repeat(70)}é`, '__proto__', 'constructor', '1', 'v'.repeat(300)]
const NUMBERS = [0, 1, 127, 128, 16_383, 16_384, 2 ** 21, 2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 35 + 5, 1_795_000_000_123, 2 ** 49 - 1, 2 ** 49, Number.MAX_SAFE_INTEGER]

test('messages of all types have the bytes that protobufjs gives them, and are read as it reads them', () => {
  assert.ok(TYPES.length > 100)
  for (const type of TYPES) {
    for (let seed = 0; seed < ROUNDS; seed++) {
      const name = type.name as MessageName
      const draft = randomDraft(type, new SeededRandom(seed))
      const expected = type.encode(type.fromObject(draft)).finish()
      const bytes = encode(name, draft as never)
      const about = `${name}, seed ${seed}`
      assert.deepEqual(Buffer.from(bytes), Buffer.from(expected), about)
      assertSame(decode(name, new Uint8Array(bytes)), domainOf(type, type.decode(bytes) as unknown as Plain), about)
      assertSame(make(name, draft as never), domainOf(type, type.fromObject(draft) as unknown as Plain), about)
      assertSame(make(name, draft as never), decode(name, bytes), about)
    }
  }
})

test('bytes that are damaged are refused as malformed, or read as protobufjs reads them', () => {
  for (const type of TYPES) {
    const name = type.name as MessageName
    for (let seed = 0; seed < DAMAGED_ROUNDS; seed++) {
      const random = new SeededRandom(seed)
      const bytes = damaged(encode(name, randomDraft(type, random) as never), random)
      const expected = attempt(() => domainOf(type, type.decode(bytes) as unknown as Plain))
      const found = attempt(() => decode(name, bytes))
      const about = `${name}, seed ${seed}: ${Buffer.from(bytes).toString('hex')}`
      if ('value' in expected && 'value' in found) assertSame(found.value, expected.value, about)
      else {
        assert.ok('error' in found && 'error' in expected, about)
        assert.ok(hasCode(found.error, 'malformed-message'), about)
      }
    }
  }
})

test('a message may hold any string and any bytes, however long', () => {
  for (const length of [0, 1, 16 * 1024, 300 * 1024, 1, 3 * 1024 * 1024, 100]) {
    const spec = { annotations: { name: 'ü'.repeat(length), labels: {} }, data: new Uint8Array(length).fill(7) }
    assert.deepEqual(decode('ConfigSpec', encode('ConfigSpec', spec)), spec)
  }
})

test('numbers are cut off as protobufjs cuts them, and what is none is 0', () => {
  const type = ROOT.lookupType('shoal.v1.Resources')
  for (const nanoCpus of [-1, -5.5, 1.5, 2 ** 40 + 0.5, -(2 ** 40), Number.NaN, Number.POSITIVE_INFINITY, 2 ** 62, -(2 ** 63)]) {
    assert.deepEqual(decode('Resources', encode('Resources', { nanoCpus })), domainOf(type, type.decode(type.encode(type.fromObject({ nanoCpus })).finish()) as unknown as Plain), String(nanoCpus))
  }
})

test('what is of the wrong shape is not encoded', () => {
  assert.throws(() => encode('Config', { spec: 'none' as never }), TypeError)
  assert.throws(() => encode('Proposal', { actions: { length: 1 } as never }), TypeError)
  assert.throws(() => make('Config', { spec: 5 as never }), TypeError)
  // And the next one is not the worse for it.
  assert.deepEqual(decode('Config', encode('Config', { id: 'a' })), { id: 'a' })
})

/** Key by key, since also the order of the fields must be the same. */
function assertSame(found: unknown, expected: unknown, about: string): void {
  assert.deepEqual(found, expected, about)
  const order = (value: unknown): unknown => (value instanceof Uint8Array || typeof value !== 'object' || value === null ? null : Object.entries(value).map(([key, each]) => [key, order(each)]))
  assert.deepEqual(order(found), order(expected), about)
}

function attempt(read: () => unknown): { readonly value: unknown } | { readonly error: unknown } {
  try {
    return { value: read() }
  } catch (error) {
    return { error }
  }
}

function pick<T>(random: SeededRandom, from: readonly T[]): T { return from[Math.floor(random.next() * from.length)] as T }

function randomDraft(type: protobuf.Type, random: SeededRandom): Plain {
  const draft: Plain = {}
  for (const field of type.fieldsArray) {
    field.resolve()
    if (random.next() < 0.25) continue
    const one = (): unknown => randomValue(field, random)
    const count = Math.floor(random.next() * 4)
    if (random.next() < 0.05) draft[field.name] = null
    else if (field.map) draft[field.name] = Object.fromEntries(Array.from({ length: count }, () => [pick(random, TEXTS), one()]))
    else draft[field.name] = field.repeated ? Array.from({ length: count }, one) : one()
  }
  return draft
}

function randomValue(field: protobuf.Field, random: SeededRandom): unknown {
  const { resolvedType } = field
  if (resolvedType instanceof protobuf.Type) return randomDraft(resolvedType, random)
  if (resolvedType instanceof protobuf.Enum) return pick(random, [...Object.keys(resolvedType.values), ...Object.values(resolvedType.values), 77, -3, 'a-word-of-tomorrow'])
  switch (field.type) {
    case 'string': return pick(random, TEXTS)
    case 'bytes': return random.bytes(pick(random, [0, 1, 40]))
    case 'bool': return random.next() < 0.5
    case 'double': return pick(random, [0, -0, 0.5, -1e300, Number.POSITIVE_INFINITY, 7])
    case 'uint32': return pick(random, NUMBERS.filter(each => each < 2 ** 32))
    case 'int64': return pick(random, [...NUMBERS, ...NUMBERS.map(each => 0 - each)])
    default: return pick(random, NUMBERS)
  }
}

/** Cut, lengthened, or with other bytes. */
function damaged(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const at = (): number => Math.floor(random.next() * (bytes.length + 1))
  const out = [...bytes]
  for (let changes = 1 + Math.floor(random.next() * 3); changes > 0; changes--) {
    const what = random.next()
    if (what < 0.2) out.length = Math.min(out.length, at())
    else if (what < 0.4) out.splice(at(), 0, ...random.bytes(2))
    else out[at()] = pick(random, [...random.bytes(1), 0, 0x7f, 0x80, 0xff])
  }
  return Uint8Array.from(out, byte => byte ?? 0)
}

// --- the reading that the generated one must equal: protobufjs' message, field by field

function domainOf(type: protobuf.Type, message: Plain): Plain {
  const out: Plain = {}
  for (const field of type.fieldsArray) {
    const hasPresence = !field.repeated && !field.map && (field.partOf !== null && field.partOf !== undefined || field.resolvedType instanceof protobuf.Type)
    const value = message[field.name]
    if (hasPresence && (!Object.hasOwn(message, field.name) || value === null || value === undefined)) continue
    if (field.map) out[field.name] = Object.fromEntries(Object.entries((value ?? {}) as object).map(([key, each]) => [key, valueOf(field, each)]))
    else out[field.name] = field.repeated ? ((value ?? []) as unknown[]).map(each => valueOf(field, each)) : valueOf(field, value)
  }
  return out
}

function valueOf(field: protobuf.Field, value: unknown): unknown {
  const { resolvedType } = field
  if (resolvedType instanceof protobuf.Type) return domainOf(resolvedType, value as Plain)
  if (resolvedType instanceof protobuf.Enum) return resolvedType.valuesById[value as number] ?? value
  if (field.type === 'bytes') return new Uint8Array(value as Uint8Array)
  return /64$/.test(field.type) ? Number(String(value)) : value
}
