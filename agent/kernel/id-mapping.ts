import { ShoalError } from '../../src/base/errors.ts'

/** `size` ids from `container` on, as a user namespace shows them, are those from `host` on outside of it. */
export interface IdRange { readonly container: number; readonly host: number; readonly size: number }

/** Which users and groups of the host the ones in a user namespace are (user_namespaces(7)). */
export interface IdMapping { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] }

export interface Owner { readonly uid: number; readonly gid: number }

/** What a user namespace shows for ids that it does not have (/proc/sys/kernel/overflowuid). */
const NOBODY = 65_534

/** @throws `unmapped-id` (invalid-argument), in dockerd's words */
export function toHost(ids: IdMapping, owner: Owner): Owner {
  return { uid: hostId(ids.uids, owner.uid), gid: hostId(ids.gids, owner.gid) }
}

/** An owner on the host as seen inside; strangers are nobody. */
export function toContainer(ids: IdMapping, owner: Owner): Owner {
  return { uid: containerId(ids.uids, owner.uid), gid: containerId(ids.gids, owner.gid) }
}

/** The host's ids of root inside. */
export function rootOf(ids: IdMapping): Owner { return toHost(ids, { uid: 0, gid: 0 }) }

/** As /proc/PID/uid_map takes it. */
export function mapText(ranges: readonly IdRange[]): string {
  return ranges.map(({ container, host, size }) => `${container} ${host} ${size}\n`).join('')
}

function hostId(ranges: readonly IdRange[], id: number): number {
  const range = ranges.find(({ container, size }) => id >= container && id < container + size)
  if (range === undefined) throw new ShoalError('invalid-argument', 'unmapped-id', `Container ID ${id} cannot be mapped to a host ID`)
  return range.host + id - range.container
}

function containerId(ranges: readonly IdRange[], id: number): number {
  const range = ranges.find(({ host, size }) => id >= host && id < host + size)
  return range === undefined ? NOBODY : range.container + id - range.host
}
