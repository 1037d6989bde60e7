import { createReadStream } from 'node:fs'
import type { KernelProcesses } from '../../kernel/kernel.ts'
import { decompressed } from './decompress.ts'

const BLOCK = 512
const CHECKSUM_AT = 148
const CHECKSUM_BYTES = 8

/** Whether a file is a tar, compressed or not, whatever it is called: its first block says so with a checksum. */
export async function isArchive(path: string, processes: Pick<KernelProcesses, 'filter'>): Promise<boolean> {
  const head: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of decompressed(createReadStream(path), processes)) {
      head.push(chunk)
      bytes += chunk.length
      if (bytes >= BLOCK) break
    }
  } catch {
    // Something that only begins like a compressed file.
    return false
  }
  return isTarHeader(Buffer.concat(head).subarray(0, BLOCK))
}

function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK) return false
  const said = Number.parseInt(block.subarray(CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES).toString('latin1').replace(/\0.*$/s, '').trim(), 8)
  const sum = block.reduce((total, byte, at) => total + (at >= CHECKSUM_AT && at < CHECKSUM_AT + CHECKSUM_BYTES ? 0x20 : byte), 0)
  return said === sum && sum !== CHECKSUM_BYTES * 0x20
}
