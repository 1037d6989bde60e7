import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { ShoalError } from '../../base/errors.ts'
import { ByteSource } from './byte-source.ts'

/** Begins every backup: what it is, and the version of all that follows. */
const MAGIC = Buffer.from('SHOALBK1')
const MAGIC_FAMILY = MAGIC.subarray(0, -1)
/** NIST SP 800-38D; the key is of this file alone, so a counter makes the nonces. */
const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const SALT_BYTES = 16
/** RFC 7914: about 60 ms and 32 MiB for whoever guesses a passphrase. */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1 } as const
/** What a file may ask of whoever opens it. */
const SCRYPT_MAX = { N: 2 ** 20, r: 16, p: 4 } as const
const LENGTH_BYTES = 4
/** What is sealed at a time: bounds the memory of both sides. */
const CHUNK_BYTES = 1024 * 1024
const HEADER_BYTES_MAX = 64 * 1024

/** What anyone can read of a backup, without its passphrase; it can not be changed without it. */
export interface BackupLabel { readonly clusterId: string; readonly createdAtMs: number; readonly productVersion: string }
interface Header extends BackupLabel { readonly cipher: typeof CIPHER; readonly kdf: 'scrypt'; readonly salt: string; readonly N: number; readonly r: number; readonly p: number }

/**
 * Seals a stream of bytes: magic, header (length and JSON), then chunks, each behind its length (the high bit marks the last). Every chunk is
 * bound to the header, to its place and to whether it is the last, so that no change, exchange, or cut goes unseen.
 */
export async function* sealStream(label: BackupLabel, passphrase: string, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const salt = randomBytes(SALT_BYTES)
  const { clusterId, createdAtMs, productVersion } = label
  const header: Header = { clusterId, createdAtMs, productVersion, cipher: CIPHER, kdf: 'scrypt', salt: salt.toString('base64'), ...SCRYPT }
  const headerBytes = Buffer.from(JSON.stringify(header))
  const key = await deriveKey(passphrase, header)
  const front = Buffer.concat([MAGIC, uint32(headerBytes.length), headerBytes])
  yield front
  const source = new ByteSource(content)
  for (let count = 0; ; count++) {
    const chunk = await source.read(CHUNK_BYTES)
    const isLast = await source.isAtEnd()
    const cipher = createCipheriv(CIPHER, key, nonceOf(count, isLast), { authTagLength: TAG_BYTES }).setAAD(front)
    const sealed = Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()])
    yield Buffer.concat([uint32(isLast ? (sealed.length | 0x80000000) >>> 0 : sealed.length), sealed])
    if (isLast) return
  }
}

/** An opened backup; `content` fails where the file is not what was sealed, and must be read to its end before it is believed. */
export interface OpenedStream { readonly label: BackupLabel; readonly content: AsyncIterable<Uint8Array> }

/** @throws ShoalError `backup-not-one`, `backup-version` (invalid-argument), and while it is read `backup-wrong-passphrase`, `backup-damaged` (invalid-argument) */
export async function openStream(bytes: AsyncIterable<Uint8Array>, passphrase: string): Promise<OpenedStream> {
  const source = new ByteSource(bytes)
  const { header, front } = await readFront(source)
  const { clusterId, createdAtMs, productVersion } = header
  const key = await deriveKey(passphrase, header)
  return { label: { clusterId, createdAtMs, productVersion }, content: openChunks(source, key, front) }
}

/** What stands outside the seal. Not to be trusted: only opening it proves that it is true. @throws as openStream() */
export async function readLabel(bytes: AsyncIterable<Uint8Array>): Promise<BackupLabel> {
  const { header: { clusterId, createdAtMs, productVersion } } = await readFront(new ByteSource(bytes))
  return { clusterId, createdAtMs, productVersion }
}

async function* openChunks(source: ByteSource, key: Buffer, front: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  for (let count = 0; ; count++) {
    const lengthBytes = await source.read(LENGTH_BYTES)
    if (lengthBytes.length < LENGTH_BYTES) throw damaged('it ends before its last part: it was cut, or not written to its end')
    const word = lengthBytes.readUInt32LE()
    const [length, isLast] = [word & 0x7fffffff, word >= 0x80000000]
    if (length < TAG_BYTES || length > CHUNK_BYTES + TAG_BYTES) throw damaged(`its part ${count + 1} has an impossible length`)
    const sealed = await source.read(length)
    if (sealed.length < length) throw damaged('it ends in the middle of a part: it was cut, or not written to its end')
    yield unsealed(sealed, { key, front, count, isLast })
    if (!isLast) continue
    if (!await source.isAtEnd()) throw damaged('something follows its last part')
    return
  }
}

function unsealed(sealed: Buffer, { key, front, count, isLast }: { readonly key: Buffer; readonly front: Buffer; readonly count: number; readonly isLast: boolean }): Buffer {
  const decipher = createDecipheriv(CIPHER, key, nonceOf(count, isLast), { authTagLength: TAG_BYTES }).setAAD(front).setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()])
  } catch (cause) {
    // The first part tells a wrong passphrase; nothing tells it from a changed first part.
    if (count === 0) throw new ShoalError('invalid-argument', 'backup-wrong-passphrase', 'the backup does not open: the passphrase is not the one it was sealed with, or its beginning was changed', { cause })
    throw damaged(`its part ${count + 1} is not what was sealed`, cause)
  }
}

async function readFront(source: ByteSource): Promise<{ readonly header: Header; readonly front: Buffer }> {
  const magic = await source.read(MAGIC.length)
  if (!magic.equals(MAGIC)) {
    if (!magic.subarray(0, -1).equals(MAGIC_FAMILY)) throw new ShoalError('invalid-argument', 'backup-not-one', 'this is no backup of a cluster: make one with shoal swarm backup')
    throw new ShoalError('invalid-argument', 'backup-version', `the backup has version ${magic.toString('latin1', MAGIC.length - 1)}, and this program reads version 1: use the version of shoal that made it`)
  }
  const lengthBytes = await source.read(LENGTH_BYTES)
  const length = lengthBytes.length < LENGTH_BYTES ? 0 : lengthBytes.readUInt32LE()
  const headerBytes = length > HEADER_BYTES_MAX ? Buffer.alloc(0) : await source.read(length)
  if (length === 0 || headerBytes.length < length) throw damaged('its header is not whole')
  const header = parseHeader(headerBytes.toString())
  if (header === undefined) throw damaged('its header can not be read')
  return { header, front: Buffer.concat([magic, lengthBytes, headerBytes]) }
}

function parseHeader(text: string): Header | undefined {
  let value: Partial<Record<keyof Header, unknown>>
  try {
    value = JSON.parse(text) as Partial<Record<keyof Header, unknown>>
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const within = (name: 'N' | 'r' | 'p'): boolean => Number.isSafeInteger(value[name]) && (value[name] as number) >= 1 && (value[name] as number) <= SCRYPT_MAX[name]
  const isOne = value.cipher === CIPHER && value.kdf === 'scrypt' && typeof value.salt === 'string' && typeof value.clusterId === 'string' && typeof value.createdAtMs === 'number'
    && typeof value.productVersion === 'string' && within('N') && Number.isInteger(Math.log2(value.N as number)) && within('r') && within('p')
  return isOne ? value as Header : undefined
}

async function deriveKey(passphrase: string, { salt, N, r, p }: Header): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), Buffer.from(salt, 'base64'), KEY_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

/** No two chunks of one key have the same. */
function nonceOf(count: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeUInt8(isLast ? 1 : 0, 0)
  nonce.writeUInt32BE(count, NONCE_BYTES - 4)
  return nonce
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES)
  bytes.writeUInt32LE(value)
  return bytes
}

function damaged(why: string, cause?: unknown): ShoalError {
  return new ShoalError('invalid-argument', 'backup-damaged', `the backup is damaged: ${why}; use another one`, { cause })
}
