import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Netns, NetnsPath, UserNamespace } from '../netns.ts'
import { LinuxLinks } from './linux-links.ts'
import { errnoName, type NetworkLibc } from './network-libc.ts'
import type { UserNamespaces } from './user-namespaces.ts'

const MS_BIND = 4096
const MNT_DETACH = 2
/** Also while forwarding (linux, Documentation/networking/ip-sysctl.rst). */
const ACCEPT_RA_ALWAYS = '2'
const NSFS_MAGIC = 0x6e736673

export class LinuxNetns implements Netns {
  readonly #libc: NetworkLibc
  readonly #links: LinuxLinks
  readonly #userNamespaces: UserNamespaces

  constructor(libc: NetworkLibc, userNamespaces: UserNamespaces) {
    this.#libc = libc
    this.#userNamespaces = userNamespaces
    this.#links = new LinuxLinks(libc)
  }

  create(path: string): void {
    this.#makeFile(path)
    this.#libc.insideNew(() => {
      this.#bind('/proc/thread-self/ns/net', path)
      this.#links.apply(undefined, [{ kind: 'set-link', name: 'lo', up: true }])
    })
  }

  async createMapped(path: string, userns: UserNamespace): Promise<void> {
    this.#makeFile(path)
    await this.#userNamespaces.make(userns, pid => this.#bind(`/proc/${pid}/ns/net`, path))
    this.#links.apply(path, [{ kind: 'set-link', name: 'lo', up: true }])
  }

  #makeFile(path: string): void {
    if (this.exists(path)) throw new ShoalError('already-exists', 'netns-exists', `a network namespace is bound to ${path} already`)
    mkdirSync(dirname(path), { recursive: true, mode: 0o711 })
    closeSync(openSync(path, 'w', 0o444))
  }

  #bind(source: string, path: string): void {
    if (this.#libc.mount(source, path, null, MS_BIND, null) === 0) return
    const reason = errnoName(this.#libc.errno())
    rmSync(path, { force: true })
    throw new ShoalError('internal', 'netns-create-failed', `cannot bind the network namespace to ${path}: ${reason}`)
  }

  remove(path: string): void {
    if (this.exists(path) && this.#libc.umount2(path, MNT_DETACH) !== 0) {
      throw new ShoalError('internal', 'netns-remove-failed', `cannot unmount the network namespace ${path}: ${errnoName(this.#libc.errno())}`)
    }
    rmSync(path, { force: true })
  }

  exists(path: string): boolean {
    try {
      return statfsSync(path).type === NSFS_MAGIC
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }

  list(directory: string): readonly string[] {
    try {
      return readdirSync(directory)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  writeSysctl(netns: NetnsPath, key: string, value: string): void {
    this.#libc.inside(netns, () => {
      try {
        writeFileSync(`/proc/sys/net/${key}`, value)
      } catch (cause) {
        throw new ShoalError('internal', 'sysctl-failed', `cannot set net/${key} to ${value}`, { cause })
      }
    })
  }

  forwardIpv6(netns: NetnsPath): void {
    this.#libc.inside(netns, () => {
      const folder = '/proc/sys/net/ipv6/conf'
      try {
        for (const link of readdirSync(folder).filter(name => name !== 'all' && name !== 'default')) {
          const path = `${folder}/${link}/accept_ra`
          if (readFileSync(path, 'utf8').trim() === '1') writeFileSync(path, ACCEPT_RA_ALWAYS)
        }
        for (const which of ['all', 'default']) writeFileSync(`${folder}/${which}/forwarding`, '1')
      } catch (cause) {
        throw new ShoalError('internal', 'sysctl-failed', 'cannot let the host forward IPv6', { cause })
      }
    })
  }
}
