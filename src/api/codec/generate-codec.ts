import protobuf from 'protobufjs'
import { readBytes, readEnd, readInt64, readText } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'

export type Domain = Record<string, unknown>

/** How one message is read and written. Each function is generated when it is called first, and calls those of the messages in it. */
export interface MessageCodec {
  /** Reads a message that ends at `end`. @throws Error on bytes that are none */
  decode: (reader: protobuf.Reader, end: number) => Domain
  /** Writes the fields of a draft, the last one first. */
  encode: (draft: Domain, writer: WireWriter) => void
  /** Makes a draft whole: a copy. */
  complete: (draft: Domain) => Domain
}

/** Conversions that generated code calls. */
const HELPERS = { readBytes, readEnd, readInt64, readText, toNumber, toBytes, enumName, enumValue, checkObject, checkList, setEntry }
type Helpers = typeof HELPERS

/** A field, with what its generated code is put together from. */
interface Field {
  readonly name: string
  /** Its value of a draft `d`, and its variable in decode. */
  readonly draft: string
  readonly variable: string
  readonly tag: number
  readonly type: 'message' | 'enum' | 'string' | 'bytes' | 'bool' | 'double' | 'uint32' | 'uint64' | 'int64'
  readonly shape: 'one' | 'optional' | 'list' | 'map'
  /** Index of its message's codec, or its enum's tables. */
  readonly at: number
}

interface EnumTables { readonly names: Readonly<Record<number, string>>; readonly values: ReadonlyMap<string, number> }

const ABSENT: Readonly<Record<Field['type'], string>> = {
  message: 'undefined', enum: '0', string: '""', bytes: 'new Uint8Array(0)', bool: 'false', double: '0', uint32: '0', uint64: '0', int64: '0',
}
const WIRE_TYPES: Readonly<Record<Field['type'], number>> = { message: 2, enum: 0, string: 2, bytes: 2, bool: 0, double: 1, uint32: 0, uint64: 0, int64: 0 }

/** @param codecOf gives the codec of another message */
export function generateCodec(type: protobuf.Type, codecOf: (name: string) => MessageCodec): MessageCodec {
  const codecs: MessageCodec[] = []
  const enums: EnumTables[] = []
  let known: readonly Field[] | undefined
  const fields = (): readonly Field[] => known ??= type.fieldsArray.map((field, i) => fieldOf(field.resolve(), i, codecs, enums, codecOf))
  const generated = <F>(parameters: string, lines: readonly string[]): F => {
    const source = `${Object.keys(HELPERS).map(name => `const ${name} = helpers.${name}`).join('\n')}\nreturn function ${type.name}(${parameters}) {\n${lines.join('\n')}\n}`
    return (new Function('helpers', 'codecs', 'enums', source) as (helpers: Helpers, codecs: MessageCodec[], enums: EnumTables[]) => F)(HELPERS, codecs, enums)
  }
  const codec: MessageCodec = {
    decode: (reader, end) => (codec.decode = generated('r, end', decodeLines(fields())))(reader, end),
    encode: (draft, writer) => (codec.encode = generated('d, w', encodeLines(fields())))(draft, writer),
    complete: draft => (codec.complete = generated('d', completeLines(fields())))(draft),
  }
  return codec
}

function fieldOf(field: protobuf.Field, i: number, codecs: MessageCodec[], enums: EnumTables[], codecOf: (name: string) => MessageCodec): Field {
  const { resolvedType } = field
  const type = resolvedType instanceof protobuf.Type ? 'message' : resolvedType instanceof protobuf.Enum ? 'enum' : field.type
  if (!(type in ABSENT) || field instanceof protobuf.MapField && field.keyType !== 'string') throw new Error(`${field.fullName}: the codec has no ${field.type}`)
  const isOptional = type === 'message' || field.partOf !== null && field.partOf !== undefined
  const shape = field.map ? 'map' : field.repeated ? 'list' : isOptional ? 'optional' : 'one'
  const tables = type === 'message' ? codecs : enums
  const at = tables.length
  if (resolvedType instanceof protobuf.Type) codecs.push(codecOf(resolvedType.name))
  if (resolvedType instanceof protobuf.Enum) enums.push({ names: resolvedType.valuesById, values: new Map(Object.entries(resolvedType.values)) })
  const wireType = shape === 'map' || shape === 'list' && isPacked(type as Field['type']) ? 2 : WIRE_TYPES[type as Field['type']]
  return { name: field.name, draft: `d.${field.name}`, variable: `f${i}`, tag: field.id << 3 | wireType, type: type as Field['type'], shape, at }
}

function isPacked(type: Field['type']): boolean { return WIRE_TYPES[type] !== 2 }

// --- decode

function decodeLines(fields: readonly Field[]): readonly string[] {
  return [
    ...fields.map(field => `let ${field.variable} = ${absent(field)}`),
    'while (r.pos < end) {', 'const tag = r.tag()', 'switch (tag) {',
    ...fields.flatMap(readLines),
    '}', 'r.skipType(tag & 7, 0, tag >>> 3)', '}',
    'if (r.pos !== end) throw new RangeError("a message goes on past its end")',
    ...resultLines(fields, field => field.variable),
  ]
}

function absent({ type, shape, at }: Field): string {
  if (shape === 'list') return '[]'
  if (shape === 'map') return '{}'
  if (shape === 'optional') return 'undefined'
  return type === 'enum' ? `enumName(0, enums[${at}])` : ABSENT[type]
}

function readLines(field: Field): readonly string[] {
  const { variable, tag, type, shape } = field
  const read = readOne(field)
  if (shape === 'map') {
    const absentValue = type === 'message' ? `codecs[${field.at}].decode(r, r.pos)` : absent({ ...field, shape: 'one' })
    return [
      `case ${tag}: {`, 'const stop = readEnd(r)', `let key = "", value`, 'while (r.pos < stop) {', 'const entryTag = r.tag()',
      'if (entryTag === 10) key = readText(r)', `else if (entryTag === ${16 | WIRE_TYPES[type]}) value = ${read}`, 'else r.skipType(entryTag & 7, 0, entryTag >>> 3)',
      '}', 'if (r.pos !== stop) throw new RangeError("an entry goes on past its end")',
      `setEntry(${variable}, key, value === undefined ? ${absentValue} : value)`, 'continue', '}',
    ]
  }
  if (shape !== 'list') return [`case ${tag}: ${variable} = ${read}; continue`]
  if (!isPacked(type)) return [`case ${tag}: ${variable}.push(${read}); continue`]
  return [
    `case ${tag}: {`, 'const stop = readEnd(r)', `while (r.pos < stop) ${variable}.push(${read})`, 'if (r.pos !== stop) throw new RangeError("a list goes on past its end")', 'continue', '}',
    `case ${tag & ~7 | WIRE_TYPES[type]}: ${variable}.push(${read}); continue`,
  ]
}

function readOne({ type, at }: Field): string {
  switch (type) {
    case 'message': return `codecs[${at}].decode(r, readEnd(r))`
    // An enum value this build does not know stays a number: readers' switches treat it as unknown instead of failing.
    case 'enum': return `enumName(r.int32(), enums[${at}])`
    case 'string': return 'readText(r)'
    case 'bytes': return 'readBytes(r)'
    case 'uint64': return 'readInt64(r, false)'
    case 'int64': return 'readInt64(r, true)'
    case 'bool': case 'double': case 'uint32': return `r.${type}()`
  }
}

// --- encode

function encodeLines(fields: readonly Field[]): readonly string[] {
  return ['let v, size', ...fields.toSorted((a, b) => b.tag - a.tag).flatMap(writeLines)]
}

function writeLines(field: Field): readonly string[] {
  const { draft, tag, shape } = field
  if (shape === 'map') {
    return [
      `v = ${draft}`, 'if (v) {', `checkObject(v, "${field.name}")`, 'const keys = Object.keys(v)', 'for (let i = keys.length - 1; i >= 0; i--) {', 'const one = v[keys[i]]', 'const before = w.size',
      writeOne(field, 'one', 16 | WIRE_TYPES[field.type]), 'w.text(10, keys[i])', `w.enclose(${tag}, before)`, '}', '}',
    ]
  }
  if (shape === 'list') {
    const isWhole = isPacked(field.type)
    return [
      `v = ${draft}`, 'if (v && v.length !== 0) {', `checkList(v, "${field.name}")`, 'const before = w.size', 'for (let i = v.length - 1; i >= 0; i--) {', 'const one = v[i]',
      writeOne(field, 'one', isWhole ? 0 : tag), '}', ...isWhole ? [`if (w.size > before) w.enclose(${tag}, before)`] : [], '}',
    ]
  }
  return [`v = ${draft}`, shape === 'optional' ? `if (v !== undefined && v !== null) { ${writeOne(field, 'v', tag)} }` : writePresent(field)]
}

/** Writes whatever it is. */
function writeOne({ name, type, at }: Field, value: string, tag: number): string {
  switch (type) {
    case 'message': return `checkObject(${value}, "${name}"); size = w.size; codecs[${at}].encode(${value}, w); w.enclose(${tag}, size)`
    case 'enum': return `size = enumValue(${value}, enums[${at}]); if (size !== undefined) w.int64(${tag}, size)`
    case 'string': return `w.text(${tag}, typeof ${value} === "string" ? ${value} : String(${value}))`
    case 'bytes': return `w.bytes(${tag}, toBytes(${value}))`
    case 'bool': return `w.uint32(${tag}, ${value} ? 1 : 0)`
    case 'double': return `w.double(${tag}, Number(${value}))`
    case 'uint32': return `w.uint32(${tag}, ${value} >>> 0)`
    case 'uint64': case 'int64': return `w.int64(${tag}, typeof ${value} === "number" ? ${value} : toNumber(${value}))`
  }
}

/** Writes it unless it is what an absent one means. */
function writePresent(field: Field): string {
  const { type, tag, at } = field
  switch (type) {
    case 'string': return `if (v !== undefined && v !== null && v !== "") { ${writeOne(field, 'v', tag)} }`
    case 'bytes': return `if (v !== undefined && v !== null && v.length !== 0) { ${writeOne(field, 'v', tag)} }`
    case 'enum': return `if (v !== undefined && v !== null) { size = enumValue(v, enums[${at}]); if (size !== undefined && size !== 0) w.int64(${tag}, size) }`
    case 'double': return `if (v !== undefined && v !== null && !Object.is(Number(v), 0)) { ${writeOne(field, 'v', tag)} }`
    default: return `if (v) { ${writeOne(field, 'v', tag)} }`
  }
}

// --- complete

function completeLines(fields: readonly Field[]): readonly string[] {
  return ['let v', ...fields.flatMap(field => [`let ${field.variable} = ${absent(field)}`, `v = ${field.draft}`, ...completed(field)]), ...resultLines(fields, field => field.variable)]
}

function completed(field: Field): readonly string[] {
  const { name, variable, shape, type } = field
  if (shape === 'map') return ['if (v) {', `checkObject(v, "${name}")`, `for (const key of Object.keys(v)) setEntry(${variable}, key, ${completeOne(field, 'v[key]')})`, '}']
  if (shape === 'list') {
    const one = type === 'enum' ? [`const one = ${completeOne(field, 'each')}`, `if (one !== undefined) ${variable}.push(one)`] : [`${variable}.push(${completeOne(field, 'each')})`]
    return ['if (v) {', `checkList(v, "${name}")`, 'for (const each of v) {', ...one, '}', '}']
  }
  const otherwise = type === 'enum' ? ` ?? ${variable}` : ''
  return [`if (v !== undefined && v !== null) ${variable} = ${completeOne(field, 'v')}${otherwise}`]
}

function completeOne({ name, type, at }: Field, value: string): string {
  switch (type) {
    case 'message': return `codecs[${at}].complete(checkObject(${value}, "${name}"))`
    case 'enum': return `enumName(enumValue(${value}, enums[${at}]), enums[${at}])`
    case 'string': return `String(${value})`
    case 'bytes': return `new Uint8Array(toBytes(${value}))`
    case 'bool': return `Boolean(${value})`
    case 'double': return `Number(${value})`
    case 'uint32': return `${value} >>> 0`
    case 'uint64': case 'int64': return `toNumber(${value})`
  }
}

/** An object of the fields in their order, without the optional ones that are absent. */
function resultLines(fields: readonly Field[], valueOf: (field: Field) => string): readonly string[] {
  const first = fields.findIndex(field => field.shape === 'optional')
  const always = first < 0 ? fields : fields.slice(0, first)
  const rest = first < 0 ? [] : fields.slice(first)
  return [
    `const m = { ${always.map(field => `${field.name}: ${valueOf(field)}`).join(', ')} }`,
    ...rest.map(field => `${field.shape === 'optional' ? `if (${valueOf(field)} !== undefined) ` : ''}m.${field.name} = ${valueOf(field)}`),
    'return m',
  ]
}

// --- what generated code calls

function toNumber(value: unknown): number { return typeof value === 'number' ? value : typeof value === 'string' ? Number.parseInt(value, 10) : Number(String(value)) }

function toBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  return typeof value === 'string' ? Buffer.from(value, 'base64') : Uint8Array.from(value as Iterable<number>)
}

/** A word, or the number itself when this build has none for it. */
function enumName(value: number | undefined, { names }: EnumTables): string | number | undefined { return value === undefined ? undefined : names[value] ?? value }

/** undefined for a word that this build does not know. */
function enumValue(value: unknown, { values }: EnumTables): number | undefined { return typeof value === 'number' ? value : values.get(value as string) }

function checkObject(value: unknown, field: string): unknown {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${field}: object expected`)
  return value
}

function checkList(value: unknown, field: string): void {
  if (!Array.isArray(value)) throw new TypeError(`${field}: array expected`)
}

function setEntry(map: Record<string, unknown>, key: string, value: unknown): void {
  // As a property of its own, not as the prototype.
  if (key === '__proto__') Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true })
  else map[key] = value
}
