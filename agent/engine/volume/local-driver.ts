import { promises as dns } from 'node:dns'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { makeDirectory } from '../durable-file.ts'
import { checkLocalOptions, isMountedVolume } from './local-options.ts'
import type { DriverVolume, VolumeDriver, VolumeOptions } from './volume-driver.ts'

/** Whose servers are named in the options, which the kernel wants as addresses. */
const NETWORK_TYPES: readonly string[] = ['nfs', 'cifs']

/** The driver `local`: directories below the data root, or file systems mounted there while a container uses them. */
export class LocalDriver implements VolumeDriver {
  readonly name = 'local'
  readonly scope = 'local'
  readonly #root: string
  readonly #mounts: KernelMounts
  /** Who uses a file system of its own; the last one unmounts it. */
  readonly #users = new Map<string, Set<string>>()

  constructor(root: string, mounts: KernelMounts) {
    this.#root = root
    this.#mounts = mounts
  }

  data(name: string): string { return join(this.#root, name, '_data') }

  async create(name: string, options: VolumeOptions): Promise<void> {
    checkLocalOptions(name, options)
    await makeDirectory(this.data(name), 0o755)
  }

  /** The folder goes with its record. */
  async remove(): Promise<void> {}

  async find(name: string): Promise<DriverVolume> { return { name, mountpoint: this.data(name) } }

  /** The engine's records are the list. */
  async list(): Promise<readonly DriverVolume[]> { return [] }

  async mount(name: string, options: VolumeOptions, user: string): Promise<string> {
    const target = this.data(name)
    if (!isMountedVolume(options)) return target
    const users = this.#users.get(name) ?? new Set()
    if (users.size === 0) {
      const { device = '', type = '', o = '' } = options
      const resolved = NETWORK_TYPES.includes(type) ? await withAddress(o) : o
      await this.#mounts.mount(device, target, type, resolved).catch((cause: unknown) => {
        throw new ShoalError('internal', 'mount-failed', `failed to mount local volume: ${messageOf(cause)}`, { cause })
      })
    }
    this.#users.set(name, users.add(user))
    return target
  }

  /** For a user that was found with the file system mounted. */
  adopt(name: string, options: VolumeOptions, user: string): void {
    if (isMountedVolume(options)) this.#users.set(name, (this.#users.get(name) ?? new Set()).add(user))
  }

  async unmount(name: string, options: VolumeOptions, user: string): Promise<void> {
    const users = this.#users.get(name)
    if (!isMountedVolume(options) || users === undefined || !users.delete(user) || users.size > 0) return
    this.#users.delete(name)
    await this.#mounts.unmount(this.data(name))
  }

  /** Unmounts what a daemon that was killed left mounted for nobody. */
  async unmountUnused(): Promise<void> {
    const used = [...this.#users.keys()].map(name => this.data(name))
    for (const target of this.#mounts.under(this.#root)) if (!used.some(path => target === path || target.startsWith(`${path}/`))) await this.#mounts.unmount(target)
  }
}

/** `addr=server` as `addr=10.0.0.1`. */
async function withAddress(options: string): Promise<string> {
  const name = /(?:^|,)addr=([^,]*)/.exec(options)?.[1] ?? ''
  if (name === '' || isIP(name) !== 0) return options
  const { address } = await dns.lookup(name).catch((cause: unknown) => {
    throw new ShoalError('unavailable', 'volume-address', `error resolving passed in network volume address: ${name}: ${messageOf(cause)}`, { cause })
  })
  return options.replace(/(^|,)addr=[^,]*/, `$1addr=${address}`)
}
