import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { Random } from '../../../src/base/random.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { damagedRecord, makeDirectory, readJson, removeUnfinished, syncDirectory, writeDurably } from '../durable-file.ts'

/** What is remembered of a volume, in a folder of its name; one of the driver `local` has its data beside it. */
export interface VolumeRecord {
  readonly name: string
  readonly createdAt: string
  /** Absent: `local`. */
  readonly driver?: string
  /** null: none were given, not even an empty set of them; clients see the difference. */
  readonly labels: Readonly<Record<string, string>> | null
  readonly options: Readonly<Record<string, string>> | null
  readonly anonymous: boolean
  /** An anonymous volume's container, with which it goes; not once that was removed without its volumes. */
  readonly owner?: string | undefined
}

export interface VolumeRecordsOptions {
  readonly root: string
  readonly logger: Logger
  readonly random: Random
  readonly mounts: Pick<KernelMounts, 'under' | 'unmount'>
}

/** No volume's name begins so. */
const REMOVED_PREFIX = '.removed-'
/** Beside the data: what is being copied from an image into a new volume. */
export const FILLING = '_filling'

/** The volumes on disk. */
export class VolumeRecords {
  readonly #options: VolumeRecordsOptions
  readonly #records = new Map<string, VolumeRecord>()

  constructor(options: VolumeRecordsOptions) { this.#options = options }

  /** Reads what is on disk. A directory without its record was never acknowledged, so it is empty; one that holds anything has lost its record, and is left. */
  async open(): Promise<void> {
    const { root, logger } = this.#options
    await mkdir(root, { recursive: true, mode: 0o701 })
    for (const name of await readdir(root)) {
      try {
        if (name.startsWith(REMOVED_PREFIX)) { await this.#deleteFolder(join(root, name)); continue }
        await removeUnfinished(join(root, name))
        await rm(join(root, name, FILLING), { recursive: true, force: true })
        const record = await readJson<VolumeRecord>(this.#path(name))
        if (record === undefined) await this.#removeEmpty(name)
        else if (isRecordOf(record, name)) this.#records.set(name, record)
        else throw damagedRecord(this.#path(name))
      } catch (err) {
        logger.error('a volume is left alone, for its record is damaged', { volume: name, reason: messageOf(err) })
      }
    }
  }

  all(): readonly VolumeRecord[] { return [...this.#records.values()] }
  find(name: string): VolumeRecord | undefined { return this.#records.get(name) }
  ownedBy(containerId: string): readonly VolumeRecord[] { return this.all().filter(record => record.owner === containerId) }

  /** Durable when it returns. Its folder is made if need be. */
  async save(record: VolumeRecord): Promise<void> {
    const { root } = this.#options
    await makeDirectory(join(root, record.name), 0o755)
    await writeDurably(this.#path(record.name), JSON.stringify(record), { sync: true })
    if (!this.#records.has(record.name)) await syncDirectory(root)
    this.#records.set(record.name, record)
  }

  /** Its folder gets another name first: a volume is there with all it holds, or not at all. */
  async remove(name: string): Promise<void> {
    const { root, random } = this.#options
    const removed = join(root, `${REMOVED_PREFIX}${createHexId(random).slice(0, 16)}`)
    await this.#unmountBelow(join(root, name))
    await rename(join(root, name), removed)
    this.#records.delete(name)
    await syncDirectory(root)
    await this.#deleteFolder(removed)
  }

  async #removeEmpty(name: string): Promise<void> {
    const folder = join(this.#options.root, name)
    for (const path of [join(folder, '_data'), folder]) {
      await rmdir(path).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOTEMPTY') throw new ShoalError('internal', 'record-damaged', `${this.#path(name)} is missing beside a folder that holds data; restore it, or remove ${folder}`, { cause })
        if (cause.code !== 'ENOENT') throw cause
      })
    }
  }

  async #deleteFolder(path: string): Promise<void> {
    await this.#unmountBelow(path)
    await rm(path, { recursive: true, force: true })
  }

  /** Whatever is mounted below is somebody else's data, and must not be deleted with the folder. */
  async #unmountBelow(path: string): Promise<void> {
    const { mounts } = this.#options
    for (const target of mounts.under(path)) await mounts.unmount(target)
    const left = mounts.under(path)[0]
    if (left !== undefined) throw new ShoalError('conflict', 'volume-in-use', `something is mounted at ${left} and cannot be unmounted; unmount it before the volume is removed`)
  }

  #path(name: string): string { return join(this.#options.root, name, 'volume.json') }
}

/** What cannot be missing in a record that we wrote. */
function isRecordOf(record: Partial<VolumeRecord>, name: string): boolean {
  return record.name === name && typeof record.createdAt === 'string' && [record.labels, record.options].every(part => typeof part === 'object')
}
