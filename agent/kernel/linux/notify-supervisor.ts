import koffi from 'koffi'
import { closeSync } from 'node:fs'
import { ShoalError } from '../../../src/base/errors.ts'

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_NOSIGNAL = 0x4000
/** struct sockaddr_un's path */
const PATH_BYTES_MAX = 108

/**
 * Tells the process that started this one how it is (sd_notify(3)): one datagram to a Unix socket, which Node has no call for.
 * @param address a path, or @ and a name in the abstract namespace
 * @throws ShoalError `notify-failed` (unavailable)
 */
export function notifySupervisor(address: string, message: string): void {
  const path = Buffer.from(address.replace(/^@/, '\0'))
  if (path.length > PATH_BYTES_MAX) throw new ShoalError('unavailable', 'notify-failed', `the notification socket ${address} has a longer path than Unix sockets can have`)
  const libc = koffi.load('libc.so.6')
  const openSocket = libc.func('int socket(int domain, int type, int protocol)')
  const sendTo = libc.func('intptr_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, unsigned int addressLength)')
  const fd = openSocket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number
  if (fd < 0) throw new ShoalError('unavailable', 'notify-failed', `cannot open a Unix socket: errno ${koffi.errno()}`)
  try {
    const family = Buffer.alloc(2)
    family.writeUInt16LE(AF_UNIX)
    const [to, data] = [Buffer.concat([family, path]), Buffer.from(message)]
    if (Number(sendTo(fd, data, data.length, MSG_NOSIGNAL, to, to.length)) < 0) throw new ShoalError('unavailable', 'notify-failed', `cannot notify ${address}: errno ${koffi.errno()}`)
  } finally {
    closeSync(fd)
  }
}
