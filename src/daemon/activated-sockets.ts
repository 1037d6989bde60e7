import { readFileSync, readlinkSync } from 'node:fs'
import { ShoalError } from '../base/errors.ts'

/** A socket that systemd opened and handed over (sd_listen_fds(3)). */
export interface ActivatedSocket { readonly fd: number; readonly isUnix: boolean }

const FIRST_FD = 3

/**
 * The sockets that "fd://" (all of them) or "fd://4" (that one) stands for.
 * @throws ShoalError `no-activated-socket` (failed-precondition)
 */
export function activatedSockets(host: string, environment: Readonly<Record<string, string | undefined>>, pid: number): readonly ActivatedSocket[] {
  const count = Number(environment['LISTEN_PID']) === pid ? Number(environment['LISTEN_FDS'] ?? 0) : 0
  const which = host.slice('fd://'.length)
  const all = Array.from({ length: count }, (_, i) => FIRST_FD + i)
  if (which === '' || which === '*') {
    if (all.length === 0) throw missing('no sockets found via socket activation: make sure the service was started by systemd')
    return all.map(described)
  }
  const fd = Number(which)
  if (!Number.isInteger(fd)) throw missing(`failed to parse systemd fd address: should be a number: ${which}`)
  if (!all.includes(fd)) throw missing(`too few socket activated files passed in by systemd: ${host} is not among the ${count}`)
  return [described(fd)]
}

/** The kernel's table of Unix sockets lists them by inode. */
function described(fd: number): ActivatedSocket {
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
  if (inode === undefined) throw missing(`failed to listen on systemd activated file: fd ${fd} is not a socket`)
  const isUnix = readFileSync('/proc/net/unix', 'utf8').split('\n').some(line => line.split(/\s+/)[6] === inode)
  return { fd, isUnix }
}

function missing(message: string): ShoalError {
  return new ShoalError('failed-precondition', 'no-activated-socket', message)
}
