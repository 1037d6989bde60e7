import { Readable } from 'node:stream'
import type { ContainerInspectResponse, ContainerSummary, ContainerWaitResponse, FilesystemChange, HostConfig } from '../../../src/api/engine/engine-json.ts'
import { abortable } from '../../../src/base/abort.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { TaskGroup } from '../../../src/base/task-group.ts'
import type { AttachOptions, LogOptions, WaitCondition } from '../../../src/api/engine/engine-calls.ts'
import type { Attachment, Containers, CreateContainerRequest, Filters, PathStat } from '../engine.ts'
import { checkFilters, matchesPruneLabels, untilMs } from '../filters.ts'
import { AttachStream } from '../runtime/attach-stream.ts'
import type { Container, ExitNotice } from './container.ts'
import type { ContainerFiles } from './container-files.ts'
import type { ContainerLogs } from './container-logs.ts'
import { checkName, detachKeysOf } from './container-create.ts'
import type { ContainerCreator } from './container-creator.ts'
import { checkContainerFilters, matchesFilters } from './container-filters.ts'
import { inspectContainer, summarizeContainer } from './container-json.ts'
import { checkResources } from './check-resources.ts'
import { applyLimits, updatedHostConfig } from './container-update.ts'
import { isActive, isUp } from './container-record.ts'
import type { RunnerOptions } from './container-runner.ts'
import type { Lifecycle } from './lifecycle.ts'
import { namesByLinks, removeLink } from './remove-link.ts'
import { parseSignal } from './signals.ts'
import { standardFilesBytes } from './standard-files.ts'
import { containerStats } from './stats.ts'
import { topProcesses } from './top.ts'

export interface LocalContainersOptions extends Pick<RunnerOptions, 'table' | 'images' | 'snapshotter' | 'launcher' | 'networks' | 'kernel' | 'clock'> {
  readonly lifecycle: Lifecycle
  readonly creator: ContainerCreator
  readonly files: ContainerFiles
  readonly logs: ContainerLogs
  readonly tasks: TaskGroup
}

/** The engine's containers: finds the one that is meant and has the lifecycle do it; reading is done here. */
export class LocalContainers implements Containers {
  readonly #options: LocalContainersOptions

  constructor(options: LocalContainersOptions) { this.#options = options }

  async create(request: CreateContainerRequest): Promise<{ readonly Id: string; readonly Warnings: readonly string[] }> {
    const { container, warnings } = await this.#options.creator.create(request)
    this.#options.lifecycle.publish(container, 'create')
    return { Id: container.id, Warnings: warnings }
  }

  async start(ref: string): Promise<void> { await this.#options.lifecycle.start(this.#get(ref)) }

  async stop(ref: string, options: { readonly signal?: string; readonly timeoutSeconds?: number } = {}): Promise<void> {
    await this.#options.lifecycle.stop(this.#get(ref), options)
  }

  async restart(ref: string, options: { readonly signal?: string; readonly timeoutSeconds?: number } = {}): Promise<void> {
    await this.#options.lifecycle.restart(this.#get(ref), options)
  }

  async kill(ref: string, signal?: string): Promise<void> {
    await explained(`cannot kill container: ${ref}`, async () => {
      const number = parseSignal(signal === undefined || signal === '' ? 'KILL' : signal)
      await this.#options.lifecycle.kill(this.#get(ref), number)
    })
  }

  async pause(ref: string): Promise<void> { await this.#options.lifecycle.pause(this.#get(ref)) }
  async unpause(ref: string): Promise<void> { await this.#options.lifecycle.unpause(this.#get(ref)) }

  async rename(ref: string, name: string): Promise<void> {
    const container = this.#get(ref)
    const { table } = this.#options
    if (name === '') throw new ShoalError('invalid-argument', 'invalid-name', 'Neither old nor new names may be empty')
    const next = await explained(RENAME, () => checkName(name, '/'))
    await container.lock.run(async () => {
      const before = container.record.name
      if (next === before) throw new ShoalError('invalid-argument', 'same-name', 'Renaming a container with the same name as its current name')
      await explained(RENAME, () => table.reserve(next, container.id))
      try {
        await container.update({ name: next }, { sync: true })
      } catch (error) {
        table.release(next)
        throw error
      }
      table.release(before)
      await this.#options.networks.rename(container.id, next)
      this.#options.lifecycle.publish(container, 'rename', { oldName: `/${before}` })
    })
  }

  async resize(ref: string, size: { readonly height: number; readonly width: number }): Promise<void> {
    const container = this.#get(ref)
    if (container.launched === undefined) throw notRunning(container)
    container.launched.monitor.resize(size.height, size.width)
    this.#options.lifecycle.publish(container, 'resize', { height: String(size.height), width: String(size.width) })
  }

  async remove(ref: string, options: { readonly force?: boolean; readonly volumes?: boolean } = {}): Promise<void> {
    const container = this.#get(ref)
    await explained(`cannot remove container ${JSON.stringify(ref)}`, () => this.#options.lifecycle.remove(container, options))
  }

  async removeLink(ref: string): Promise<void> {
    const { table } = this.#options
    this.#get(ref)
    const link = table.findLink(ref)
    if (link === undefined) throw new ShoalError('internal', 'not-a-link', 'Conflict, cannot remove the default link name of the container')
    await removeLink(link, table.directory(link.linker.id))
  }

  async inspect(ref: string, options: { readonly size?: boolean } = {}): Promise<ContainerInspectResponse> {
    const { table, snapshotter, lifecycle } = this.#options
    const container = this.#get(ref)
    const json = inspectContainer(container.record, {
      directory: table.directory(container.id), logPath: this.#options.logs.path(container), driver: snapshotter.driver,
      graphData: snapshotter.directories(container.id, lifecycle.runner.layers(container)), execIds: [...container.execIds],
      nameOf: target => table.find(target)?.record.name ?? target,
    })
    return options.size === true ? { ...json, ...await this.#sizes(container) } : json
  }

  async list(options: { readonly all?: boolean; readonly limit?: number; readonly size?: boolean; readonly filters?: Filters }): Promise<readonly ContainerSummary[]> {
    const { table, images, clock } = this.#options
    const filters = options.filters ?? {}
    checkContainerFilters(filters)
    const createdMs = (key: 'before' | 'since'): number | undefined => {
      const ref = filters[key]?.[0]
      return ref === undefined ? undefined : Date.parse(this.#get(ref).record.created)
    }
    const ancestors = filters['ancestor'] === undefined ? undefined : new Set(filters['ancestor'].map(ref => images.find(ref)?.id ?? ''))
    const facts = { ancestors, beforeMs: createdMs('before'), sinceMs: createdMs('since') }
    const limit = options.limit !== undefined && options.limit > 0 ? options.limit : Infinity
    const all = options.all === true || limit !== Infinity || ['status', 'exited', 'before', 'since'].some(key => filters[key] !== undefined)
    // Newest first; reversed so that of two made in the same millisecond the later one leads.
    const found = [...table.all()].reverse().filter(container => (all || isActive(container.state)) && matchesFilters(container.record, filters, facts))
      .sort((a, b) => Date.parse(b.record.created) - Date.parse(a.record.created)).slice(0, limit)
    const linkNames = namesByLinks(table.all(), ref => table.find(ref)?.id)
    return Promise.all(found.map(async container => {
      const given = container.record.config.Image ?? ''
      const summary = summarizeContainer(container.record, images.find(given)?.id === container.record.imageId ? given : container.record.imageId, clock.nowMs(), linkNames.get(container.id))
      return options.size === true ? { ...summary, ...await this.#sizes(container) } : summary
    }))
  }

  async wait(ref: string, condition: WaitCondition, signal?: AbortSignal): Promise<{ readonly result: Promise<ContainerWaitResponse> }> {
    const container = this.#get(ref)
    const notice = condition === 'next-exit' ? container.nextExit() : condition === 'removed' ? container.removed() : container.inactive()
    // Why a start failed is for whoever started it: dockerd says nothing of it here, and the stock CLI would print it twice.
    const answer = (exit: ExitNotice): ContainerWaitResponse => ({ StatusCode: exit.exitCode })
    const result = abortable(notice, signal).then(answer)
    result.catch(() => undefined)
    return { result }
  }

  async logs(ref: string, options: LogOptions): Promise<{ readonly tty: boolean; readonly stream: Readable }> {
    const container = this.#get(ref)
    const tty = container.record.config.Tty === true
    if (!options.stdout && !options.stderr) throw new ShoalError('invalid-argument', 'no-stream', 'Bad parameters: you must choose at least one stream')
    return { tty, stream: await this.#options.logs.read(container, options) }
  }

  async attach(ref: string, options: AttachOptions): Promise<Attachment> {
    const container = this.#get(ref)
    const { config, state } = container.record
    const tty = config.Tty === true
    if (state.status === 'paused') throw new ShoalError('conflict', 'paused', `container ${ref} is paused, unpause the container before attach`)
    if (state.status === 'restarting') throw new ShoalError('conflict', 'restarting', `container ${ref} is restarting, wait until the container is running`)
    const detachKeys = tty || options.detachKeys !== undefined ? detachKeysOf(options.detachKeys) : []
    const stream = new AttachStream({ stdin: options.stdin && config.OpenStdin === true, stdout: options.stdout, stderr: options.stderr, tty, endClosesStdin: config.StdinOnce === true && !tty, detachKeys })
    stream.once('close', () => container.waitingAttachments.delete(stream))
    if (options.logs) for await (const chunk of await this.#options.logs.read(container, { stdout: options.stdout, stderr: options.stderr })) stream.replay(chunk as Buffer)
    this.#options.lifecycle.publish(container, 'attach')
    if (!options.stream) stream.endOutput()
    else await container.lock.run(() => this.#join(container, stream))
    return { tty, stream }
  }

  /** To what runs, or to what will; not in the middle of a start, which takes those who wait only once. */
  async #join(container: Container, stream: AttachStream): Promise<void> {
    if (container.launched === undefined) container.waitingAttachments.add(stream)
    else await this.#options.launcher.attach(container.launched.socketPath, stream)
  }

  async top(ref: string, psArgs?: string): Promise<{ readonly Titles: readonly string[]; readonly Processes: readonly (readonly string[])[] }> {
    const container = this.#get(ref)
    if (!isUp(container.state)) throw notRunning(container)
    this.#options.lifecycle.publish(container, 'top')
    return topProcesses(this.#options.kernel, this.#options.kernel.cgroups.pids(this.#options.lifecycle.runner.cgroupPath(container)), psArgs)
  }

  async *stats(ref: string, options: { readonly stream: boolean; readonly oneShot: boolean }, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>> {
    const container = this.#get(ref)
    const { kernel, clock, lifecycle } = this.#options
    yield* containerStats({ kernel, clock, container, cgroup: lifecycle.runner.cgroupPath(container) }, options, signal)
  }

  async prune(filters: Filters): Promise<{ readonly ContainersDeleted: readonly string[]; readonly SpaceReclaimed: number }> {
    checkFilters(filters, ['label', 'label!', 'until'])
    const { table, clock, lifecycle } = this.#options
    const until = filters['until']?.[0]
    const beforeMs = until === undefined ? Infinity : untilMs(until, clock.nowMs())
    const deleted: string[] = []
    let bytes = 0
    for (const container of table.all()) {
      if (isActive(container.state) || Date.parse(container.record.created) > beforeMs || !matchesPruneLabels(filters, container.record.config.Labels)) continue
      bytes += await this.#writtenBytes(container)
      await lifecycle.remove(container, {})
      deleted.push(container.id)
    }
    lifecycle.publishPrune(bytes)
    return { ContainersDeleted: deleted, SpaceReclaimed: bytes }
  }

  async update(ref: string, changes: Partial<HostConfig>): Promise<{ readonly Warnings: readonly string[] }> {
    const { lifecycle, kernel, creator } = this.#options
    const container = this.#get(ref)
    return container.lock.run(async () => {
      if (container.state.status === 'removing' || container.state.status === 'dead') throw new ShoalError('conflict', 'being-removed', `cannot update container ${ref}: it is marked for removal`)
      const before = container.record.hostConfig
      const { host: checked, warnings } = checkResources(changes, creator.facts, true)
      const after = updatedHostConfig(container.id, before, checked)
      if (isUp(container.state)) {
        await container.update({ updating: after })
        applyLimits(kernel, lifecycle.runner.cgroupPath(container), before, after)
      }
      await container.update({ hostConfig: after, updating: undefined }, { sync: true })
      lifecycle.publish(container, 'update')
      return { Warnings: warnings }
    })
  }

  async changes(ref: string): Promise<readonly FilesystemChange[]> {
    const container = this.#get(ref)
    try {
      return (await this.#options.files.changes(container)).map(({ path, kind }) => ({ Path: path, Kind: CHANGE_KINDS[kind] }))
    } catch (error) {
      // Removed while it was looked at: then this says so.
      this.#get(container.id)
      throw error
    }
  }

  async export(ref: string): Promise<Readable> {
    const container = this.#get(ref)
    const stream = await this.#options.files.export(container)
    this.#options.lifecycle.publish(container, 'export')
    return stream
  }

  async statPath(ref: string, path: string): Promise<PathStat> { return this.#options.files.stat(this.#get(ref), ref, path) }

  async readArchive(ref: string, path: string): Promise<{ readonly stat: PathStat; readonly stream: Readable }> {
    const container = this.#get(ref)
    const archive = await this.#options.files.read(container, ref, path)
    this.#options.lifecycle.publish(container, 'archive-path')
    return archive
  }

  async writeArchive(ref: string, path: string, tar: Readable, options: { readonly noOverwriteDirNonDir: boolean; readonly copyUidGid: boolean }): Promise<void> {
    const container = this.#get(ref)
    await this.#options.files.write(container, ref, path, tar, options)
    this.#options.lifecycle.publish(container, 'extract-to-dir')
  }

  async #sizes(container: Container): Promise<{ readonly SizeRw: number; readonly SizeRootFs: number }> {
    const written = await this.#writtenBytes(container)
    return { SizeRw: written, SizeRootFs: written + (this.#options.images.find(container.record.imageId)?.sizeBytes ?? 0) }
  }

  async #writtenBytes({ id }: Container): Promise<number> {
    const { snapshotter } = this.#options
    const changes = snapshotter.changesDirectory(id)
    return await snapshotter.sizeBytes(id) - (changes === undefined ? 0 : await standardFilesBytes(changes))
  }

  #get(ref: string): Container { return this.#options.table.get(ref) }
}

/** As the API numbers them. */
const CHANGE_KINDS = { modified: 0, added: 1, deleted: 2 } as const

const RENAME = 'Error when allocating new name'

/** Puts before a failure what was to be done, as Docker does. */
async function explained<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof ShoalError ? new ShoalError(error.kind, error.code, `${what}: ${error.message}`, { cause: error }) : error
  }
}

function notRunning(container: Container): ShoalError { return new ShoalError('conflict', 'not-running', `container ${container.id} is not running`) }
