import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/logger.ts'
import { damagedRecord, makeDirectory, readJson, removeUnfinished, writeDurably } from '../durable-file.ts'
import { Container } from './container.ts'
import type { ContainerRecord } from './container-record.ts'
import { bridgeLinks } from './link-environment.ts'
import { isSoundRecord } from './sound-record.ts'

/** Every container of the engine, by id and by name, with a folder each on disk: container.json, logs, hosts. */
export class ContainerTable {
  readonly #root: string
  readonly #containers = new Map<string, Container>()
  readonly #names = new Map<string, string>()

  readonly #logger: Logger
  readonly #damagedIds = new Set<string>()

  constructor(root: string, logger: Logger) {
    this.#root = root
    this.#logger = logger
  }

  /** Containers whose record cannot be read: they are left as they are, running or not, until it is restored or removed. */
  get damagedIds(): ReadonlySet<string> { return this.#damagedIds }

  /** Reads what is on disk. A folder without a record is a create that was never acknowledged; one with a damaged record is reported and left (D-251). */
  async open(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 })
    for (const id of await readdir(this.#root)) {
      try {
        const record = await readJson<object>(this.#path(id))
        if (record === undefined) await rm(this.directory(id), { recursive: true, force: true })
        else if (isSoundRecord(record, id)) {
          await removeUnfinished(this.directory(id))
          this.#keep(record)
        }
        else throw damagedRecord(this.#path(id))
      } catch (err) {
        this.#damagedIds.add(id)
        this.#logger.error('a container is left alone, for its record is damaged', { container: id, reason: messageOf(err) })
      }
    }
  }

  directory(id: string): string { return join(this.#root, id) }
  all(): readonly Container[] { return [...this.#containers.values()] }
  hasName(name: string): boolean { return this.#names.has(name) }

  find(ref: string): Container | undefined {
    const exact = this.#containers.get(ref) ?? this.#containers.get(this.#names.get(ref.replace(/^\//, '')) ?? '')
    if (exact === undefined && ref.includes('/')) return this.findLink(ref)?.target
    if (exact !== undefined || !/^[0-9a-f]{1,63}$/.test(ref)) return exact
    const matches = this.all().filter(container => container.id.startsWith(ref))
    if (matches.length > 1) throw new ShoalError('invalid-argument', 'ambiguous-reference', `multiple IDs found with provided prefix: ${ref}`)
    return matches[0]
  }

  /** A link of the default bridge by its name, "linker/alias". */
  findLink(ref: string): { readonly linker: Container; readonly alias: string; readonly target: Container } | undefined {
    const [, name = '', alias = ''] = /^\/?([^/]+)\/([^/]+)$/.exec(ref) ?? []
    const linker = this.#containers.get(this.#names.get(name) ?? '')
    const link = linker === undefined ? undefined : bridgeLinks(linker.record).find(each => each.alias === alias)
    const target = link === undefined ? undefined : this.find(link.target)
    return linker === undefined || target === undefined ? undefined : { linker, alias, target }
  }

  /** @throws `no-such-container` (not-found) */
  get(ref: string): Container {
    const container = this.find(ref)
    if (container === undefined) throw new ShoalError('not-found', 'no-such-container', `No such container: ${ref}`)
    return container
  }

  /** Takes a name, so that no other create or rename gets it meanwhile. @throws `name-in-use` (conflict) */
  reserve(name: string, id: string): void {
    const owner = this.#names.get(name)
    if (owner !== undefined && owner !== id) {
      throw new ShoalError('conflict', 'name-in-use', `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`)
    }
    this.#names.set(name, id)
  }

  release(name: string): void { this.#names.delete(name) }

  /** Resolves when it would survive a power failure. Its name must be reserved. */
  async add(record: ContainerRecord): Promise<Container> {
    await makeDirectory(this.directory(record.id), 0o710)
    await this.#save(record, true)
    return this.#keep(record)
  }

  async remove(container: Container): Promise<void> {
    await rm(this.#path(container.id), { force: true })
    await rm(this.directory(container.id), { recursive: true, force: true })
    this.#containers.delete(container.id)
    this.release(container.record.name)
  }

  #keep(record: ContainerRecord): Container {
    const container = new Container(record, (next, sync) => this.#save(next, sync), err => this.#logger.error('what a container became is not on disk until its next write', { container: record.id, err }))
    this.#containers.set(record.id, container)
    this.#names.set(record.name, record.id)
    return container
  }

  async #save(record: ContainerRecord, sync: boolean): Promise<void> { await writeDurably(this.#path(record.id), JSON.stringify(record), { sync }) }
  #path(id: string): string { return join(this.directory(id), 'container.json') }
}
