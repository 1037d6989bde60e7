import { statfsSync } from 'node:fs'

const MIB = 2 ** 20
/** LevelDB tells its failures as text alone. */
const NO_ROOM = /no space left on device|ENOSPC|quota exceeded/i

/** A reason for which a process ended; when it found no room, with which file system that was, and how full it is. @param folder where it writes */
export function withDisk(reason: string, folder: string): string {
  if (!NO_ROOM.test(reason)) return reason
  const { bavail, blocks, bsize } = statfsSync(folder)
  return `${reason} (the file system of ${folder} has ${Math.floor(bavail * bsize / MIB)} of ${Math.floor(blocks * bsize / MIB)} MiB free)`
}
