import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import type { DatagramSender } from '../kernel.ts'
import { errnoError, type Libc } from './libc.ts'

const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000
const MSG_NOSIGNAL = 0x4000
/** sockaddr_un: two bytes of family, then the path and its zero. */
const PATH_AT = 2
const PATH_MAX = 107

/** Undefined when no datagram socket listens at `path`. */
export function connectDatagram(libc: Libc, path: string): DatagramSender | undefined {
  if (Buffer.byteLength(path) > PATH_MAX) return undefined
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0)
  if (fd < 0) throw errnoError('resource-exhausted', 'log-send-failed', 'cannot open a socket', libc.errno())
  const address = Buffer.alloc(PATH_AT + Buffer.byteLength(path) + 1)
  address.writeUInt16LE(AF_UNIX)
  address.write(path, PATH_AT)
  if (libc.connect(fd, address, address.length) !== 0) {
    closeSync(fd)
    return undefined
  }
  let isOpen = true
  return {
    send: bytes => {
      if (libc.send(fd, bytes, bytes.length, MSG_NOSIGNAL) >= 0) return true
      const errno = libc.errno()
      if (errno === constants.errno.EAGAIN || errno === constants.errno.EINTR || errno === constants.errno.ENOBUFS) return false
      throw errnoError('unavailable', 'log-send-failed', `cannot send to ${path}`, errno)
    },
    close: () => {
      if (isOpen) closeSync(fd)
      isOpen = false
    },
  }
}
