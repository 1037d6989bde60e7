/** A member of a tar as it is written. Names and link texts are UTF-8. */
export interface TarMember {
  readonly name: string
  readonly type: keyof typeof TYPE_FLAGS
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtimeSeconds: number
  readonly linkName?: string
  readonly device?: { readonly major: number; readonly minor: number }
  /** Extended attributes; their values may be binary. */
  readonly attributes?: ReadonlyMap<string, Buffer>
}

const BLOCK = 512
const TYPE_FLAGS = { file: '0', link: '1', symlink: '2', character: '3', block: '4', directory: '5', fifo: '6', extended: 'x' } as const
const NAME_MAX = 100
/** What fits into seven and eleven octal digits. */
const ID_MAX = 0o7777777
const SIZE_MAX = 0o77777777777
export const TAR_END = Buffer.alloc(2 * BLOCK)

/** The blocks before a member's contents: POSIX.1-2001 (pax), with an extended header where the old fields do not suffice. */
export function tarHeader(member: TarMember): Buffer {
  const name = Buffer.from(member.name)
  const link = Buffer.from(member.linkName ?? '')
  const records: Buffer[] = []
  const record = (key: string, value: Buffer | string): void => { records.push(paxRecord(key, Buffer.from(value as string))) }
  if (name.length > NAME_MAX || !isPlain(name)) record('path', member.name)
  if (link.length > NAME_MAX || !isPlain(link)) record('linkpath', member.linkName ?? '')
  if (member.uid > ID_MAX) record('uid', String(member.uid))
  if (member.gid > ID_MAX) record('gid', String(member.gid))
  if (member.size > SIZE_MAX) record('size', String(member.size))
  if (member.mtimeSeconds > SIZE_MAX || member.mtimeSeconds < 0) record('mtime', String(member.mtimeSeconds))
  for (const [key, value] of member.attributes ?? []) records.push(paxRecord(`SCHILY.xattr.${key}`, value))
  const plain = block(member, name, link)
  if (records.length === 0) return plain
  const body = Buffer.concat(records)
  const extended = block({ name: '', type: 'extended', mode: 0o644, uid: 0, gid: 0, size: body.length, mtimeSeconds: member.mtimeSeconds }, Buffer.from('PaxHeaders.0/entry'), Buffer.alloc(0))
  return Buffer.concat([extended, body, tarPadding(body.length), plain])
}

/** What fills the last block of contents of this size. */
export function tarPadding(size: number): Buffer { return Buffer.alloc((BLOCK - size % BLOCK) % BLOCK) }

function block(member: TarMember, name: Buffer, link: Buffer): Buffer {
  const out = Buffer.alloc(BLOCK)
  name.copy(out, 0, 0, NAME_MAX)
  octal(out, 100, 8, member.mode & 0o7777)
  octal(out, 108, 8, Math.min(member.uid, ID_MAX))
  octal(out, 116, 8, Math.min(member.gid, ID_MAX))
  octal(out, 124, 12, Math.min(member.size, SIZE_MAX))
  octal(out, 136, 12, Math.min(Math.max(member.mtimeSeconds, 0), SIZE_MAX))
  out.write(TYPE_FLAGS[member.type], 156)
  link.copy(out, 157, 0, NAME_MAX)
  out.write('ustar\0', 257)
  out.write('00', 263)
  octal(out, 329, 8, member.device?.major ?? 0)
  octal(out, 337, 8, member.device?.minor ?? 0)
  out.fill(' ', 148, 156)
  const sum = out.reduce((total, byte) => total + byte, 0)
  out.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return out
}

function octal(out: Buffer, at: number, width: number, value: number): void { out.write(`${Math.floor(value).toString(8).padStart(width - 1, '0')}\0`, at) }

/** "25 key=value\n", where the number counts itself. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  let length = rest.length + 1
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

function isPlain(bytes: Buffer): boolean { return bytes.every(byte => byte < 0x80) }
