import { closeSync, openSync, readFileSync, realpathSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { ShoalError } from '../../../src/base/errors.ts'
import type { KernelMounts, MountPropagation, MountRestriction, OverlayMount } from '../kernel.ts'
import type { IdMapping } from '../id-mapping.ts'
import { errnoError, errnoName, errnoText, type Libc } from './libc.ts'
import type { UserNamespaces } from './user-namespaces.ts'

const MS_BIND = 0x1000
const MS_REC = 0x4000
const MS_REMOUNT = 0x20
const MNT_DETACH = 2
const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const OPEN_TREE_CLONE = 1
const O_CLOEXEC = 0o2000000
const MOVE_MOUNT_F_EMPTY_PATH = 4
/** struct mount_attr: what to set, what to clear, propagation, descriptor of a user namespace. */
const MOUNT_ATTRIBUTES_BYTES = 32
const MOUNT_ATTR_IDMAP = 0x00100000n
/** An owner on disk that no image has. */
const OUR_ROOT_ON_DISK = 4_294_967_293
/** struct statvfs of 64-bit glibc, generously; f_flag stands behind nine longs. */
const STATVFS_BYTES = 256
const STATVFS_FLAG = 72
/** As statvfs(3) tells them. */
const RESTRICTIONS: readonly (readonly [name: MountRestriction, bit: number])[] = [['ro', 1], ['nosuid', 2], ['nodev', 4], ['noexec', 8]]
const S_IFCHR = 0o020000
/** mount(2) copies one page of option text, with its terminating zero. */
const MOUNT_DATA_MAX = 4095
/** Capabilities take 24 bytes, the overlay's marks one. */
const ATTRIBUTE_MAX = 256
/** Flags that mount(8) takes among -o options; what is not here goes to the file system as data. */
const FLAGS: Readonly<Record<string, number>> = {
  ro: 0x1, nosuid: 0x2, nodev: 0x4, noexec: 0x8, sync: 0x10, remount: 0x20, mand: 0x40, dirsync: 0x80, noatime: 0x400, nodiratime: 0x800,
  bind: MS_BIND, rbind: MS_BIND | MS_REC, relatime: 0x200000, strictatime: 0x1000000, lazytime: 0x2000000, rw: 0, defaults: 0, exec: 0, suid: 0, dev: 0, async: 0,
}

/** mount(2) and its relatives in this process's mount namespace. */
export class LinuxMounts implements KernelMounts {
  readonly #libc: Libc
  readonly #userNamespaces: UserNamespaces

  constructor(libc: Libc, userNamespaces: UserNamespaces) {
    this.#libc = libc
    this.#userNamespaces = userNamespaces
  }

  overlay(mount: OverlayMount): void {
    const data = `lowerdir=${mount.lower.join(':')},upperdir=${mount.upper},workdir=${mount.work}`
    if (data.length > MOUNT_DATA_MAX) {
      throw new ShoalError('failed-precondition', 'too-many-layers', `${mount.lower.length} layers do not fit into one overlay mount; use a shorter data directory or squash the image`)
    }
    this.#mount('overlay', mount.target, 'overlay', 0, data)
  }

  bind(source: string, target: string): void { this.#mount(source, target, null, MS_BIND | MS_REC, null) }

  async bindMapped(source: string, target: string, ids: IdMapping): Promise<void> {
    await this.#userNamespaces.make({ ids: withOurRoot(ids) }, pid => {
      const userns = openSync(`/proc/${pid}/ns/user`, 'r')
      const tree = this.#libc.openTree(AT_FDCWD, source, OPEN_TREE_CLONE | O_CLOEXEC)
      const fail = (what: string): ShoalError => errnoError('failed-precondition', 'mount-failed', `cannot show ${source} with other owners (${what}): it takes Linux 5.19 and ext4, xfs or btrfs`, this.#libc.errno())
      try {
        if (tree < 0) throw fail('open_tree')
        const attributes = Buffer.alloc(MOUNT_ATTRIBUTES_BYTES)
        attributes.writeBigUInt64LE(MOUNT_ATTR_IDMAP, 0)
        attributes.writeBigUInt64LE(BigInt(userns), 24)
        if (this.#libc.mountSetattr(tree, '', AT_EMPTY_PATH, attributes, attributes.length) !== 0) throw fail('mount_setattr')
        if (this.#libc.moveMount(tree, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) !== 0) throw fail('move_mount')
      } finally {
        if (tree >= 0) closeSync(tree)
        closeSync(userns)
      }
    })
  }

  async mount(source: string, target: string, type: string, options: string): Promise<void> {
    const words = options.split(',').filter(word => word !== '')
    const flags = words.reduce((sum, word) => sum | (FLAGS[word] ?? 0), 0)
    const data = words.filter(word => !(word in FLAGS)).join(',')
    const fsType = type === 'none' || type === '' ? null : type
    const mount = async (withFlags: number): Promise<void> => {
      const errno = await this.#libc.mountAsync(source, target, fsType, withFlags, data === '' ? null : data)
      if (errno === 0) return
      const details = `${withFlags === 0 ? '' : `, flags: 0x${withFlags.toString(16)}`}${data === '' ? '' : `, data: ${data}`}`
      throw new ShoalError('internal', 'mount-failed', `mount ${source}:${target}${details}: ${errnoText(errno)}`)
    }
    await mount(flags)
    const restrictions = flags & ~(MS_BIND | MS_REC)
    if ((flags & MS_BIND) === 0 || restrictions === 0) return
    // A bind ignores other flags until it is mounted again.
    await mount(restrictions | MS_BIND | MS_REMOUNT).catch(async (error: unknown) => {
      await this.unmount(target)
      throw error
    })
  }

  async unmount(target: string): Promise<void> {
    if (await this.#libc.umount2Async(target, MNT_DETACH) === 0) return
    if (this.under(target).includes(target)) throw new ShoalError('internal', 'unmount-failed', `cannot unmount ${target}`)
  }

  restrictions(path: string): readonly MountRestriction[] {
    const result = Buffer.alloc(STATVFS_BYTES)
    if (this.#libc.statvfs(path, result) !== 0) return []
    const flags = result.readUInt32LE(STATVFS_FLAG)
    return RESTRICTIONS.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name)
  }

  propagation(path: string): MountPropagation | undefined {
    let real: string
    try {
      real = realpathSync(path)
    } catch {
      return undefined
    }
    // Of mounts over one another the last one counts.
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map(line => line.split(' ')).filter(fields => fields.length > 6)
      .map(fields => ({ point: unescape(fields[4] ?? ''), marks: fields.slice(6, fields.indexOf('-')) }))
      .filter(({ point }) => point === '/' || real === point || real.startsWith(`${point}/`))
    const best = mounts.reduce<(typeof mounts)[number] | undefined>((found, mount) => (found === undefined || mount.point.length >= found.point.length ? mount : found), undefined)
    if (best === undefined) return undefined
    return { mountPoint: best.point, isShared: best.marks.some(mark => mark.startsWith('shared:')), isSlave: best.marks.some(mark => mark.startsWith('master:')) }
  }

  under(prefix: string): readonly string[] {
    return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map(line => unescape(line.split(' ')[4] ?? ''))
      .filter(point => point === prefix || point.startsWith(`${prefix}/`))
      .sort((a, b) => b.length - a.length)
  }

  async sync(path: string): Promise<void> {
    const directory = await open(path, 'r')
    try {
      const errno = await this.#libc.syncfsAsync(directory.fd)
      if (errno !== 0) throw errnoError('internal', 'sync-failed', `the file system of ${path} could not write what it was given, see the kernel's log`, errno)
    } finally {
      await directory.close()
    }
  }

  makeWhiteout(path: string): void {
    if (this.#libc.mknod(path, S_IFCHR, 0) !== 0) throw errnoError('internal', 'mount-failed', `cannot make a whiteout at ${path}`, this.#libc.errno())
  }

  makeOpaque(directory: string): void {
    const value = Buffer.from('y')
    if (this.#libc.lsetxattr(directory, 'trusted.overlay.opaque', value, value.length, 0) !== 0) {
      throw errnoError('internal', 'mount-failed', `cannot mark ${directory} opaque`, this.#libc.errno())
    }
  }

  attribute(path: string, name: string): Buffer | undefined {
    const value = Buffer.alloc(ATTRIBUTE_MAX)
    const size = this.#libc.getxattr(path, name, value, value.length)
    return size < 0 ? undefined : value.subarray(0, size)
  }

  setAttribute(path: string, name: string, value: Buffer): void {
    if (this.#libc.setxattr(path, name, value, value.length, 0) !== 0) throw errnoError('internal', 'attribute-failed', `cannot set ${name} of ${path}`, this.#libc.errno())
  }

  makeNode(path: string, mode: number, device: { readonly major: number; readonly minor: number }): void {
    const number = ((device.minor & 0xfff00) << 12) | ((device.major & 0xfff) << 8) | (device.minor & 0xff)
    if (this.#libc.mknod(path, mode, number >>> 0) !== 0) throw errnoError('permission-denied', 'mknod-failed', `cannot make the device node ${path}`, this.#libc.errno())
  }

  #mount(source: string | null, target: string, type: string | null, flags: number, data: string | null): void {
    if (this.#libc.mount(source, target, type, flags, data) === 0) return
    throw new ShoalError('internal', 'mount-failed', `cannot mount ${type ?? source} at ${target}: ${errnoName(this.#libc.errno())}`)
  }
}

/** The daemon makes files in there too. Root of the host must be somebody on disk for that, until the file is given to its owner. */
function withOurRoot({ uids, gids }: IdMapping): IdMapping {
  const ours = { container: OUR_ROOT_ON_DISK, host: 0, size: 1 }
  return { uids: [...uids, ours], gids: [...gids, ours] }
}

/** mountinfo writes space, tab, newline and backslash as octal. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
}
