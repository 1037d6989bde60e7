import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Owner } from '../../kernel/id-mapping.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { makeDirectory } from '../durable-file.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'

const SHM_BYTES_DEFAULT = 67_108_864

/**
 * What is mounted on the host for one container: memory that others may share, images that it mounts. Each lies in the container's own folder
 * (`directory`), outside its root, so that nothing inside can put something else in its place (D-341). Gone at its take-down.
 */
export class HostMounts {
  readonly #mounts: KernelMounts
  readonly #directory: (containerId: string) => string

  constructor(mounts: KernelMounts, directory: (containerId: string) => string) {
    this.#mounts = mounts
    this.#directory = directory
  }

  sharedMemoryPath(containerId: string): string { return join(this.#root(containerId), 'shm') }

  /** A tmpfs for /dev/shm that other containers can have too. */
  async shareMemory(containerId: string, sizeBytes: number | undefined, owner: Owner | undefined): Promise<string> {
    const target = this.sharedMemoryPath(containerId)
    await makeDirectory(target, 0o1777)
    await this.#mounts.mount('shm', target, 'tmpfs', `nosuid,nodev,noexec,mode=1777,size=${sizeBytes !== undefined && sizeBytes > 0 ? sizeBytes : SHM_BYTES_DEFAULT}${owner === undefined ? '' : `,uid=${owner.uid},gid=${owner.gid}`}`)
    return target
  }

  /** An image's files; `layers` bottom first. What a container could write there would be its own and is thrown away. */
  async image(containerId: string, index: number, layers: readonly string[], mapped: MappedFolders | undefined): Promise<string> {
    const base = join(this.#root(containerId), `image-${index}`)
    const [target, upper, work, empty] = [join(base, 'merged'), join(base, 'upper'), join(base, 'work'), join(base, 'empty')]
    for (const path of [target, upper, work, empty]) await makeDirectory(path)
    const view = (path: string): string => mapped?.view(path) ?? path
    this.#mounts.overlay({ lower: (layers.length === 0 ? [empty] : [...layers].reverse()).map(view), upper: view(upper), work: view(work), target })
    return target
  }

  async release(containerId: string): Promise<void> {
    const root = this.#root(containerId)
    if (!existsSync(root)) return
    for (const target of this.#mounts.under(root)) await this.#mounts.unmount(target)
  }

  #root(containerId: string): string { return join(this.#directory(containerId), 'mounts') }
}
