import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../../src/base/clock.ts'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/logger.ts'
import { rootOf, type IdMapping } from '../../kernel/id-mapping.ts'
import type { HeldPath, Kernel } from '../../kernel/kernel.ts'
import type { EventLog } from '../event-log.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'
import type { ImageStore } from '../image/image-store.ts'
import type { ContainerNetworks, ContainerSandbox } from '../network/container-networks.ts'
import { RuntimeFailed, type Launched, type Launcher, type LaunchOptions } from '../runtime/launcher.ts'
import type { ExitStatus } from '../runtime/monitor-process.ts'
import { buildSpec, type OciMount, type SpecInput } from '../runtime/oci-spec.ts'
import { resolveInRoot } from '../runtime/path-in-root.ts'
import type { Snapshotter } from '../snapshot/snapshotter.ts'
import type { LocalVolumes } from '../volume/local-volumes.ts'
import type { MountedSubpath, SubpathMounts } from '../volume/subpath-mounts.ts'
import type { Container } from './container.ts'
import { eventAttributes } from './container-events.ts'
import { ociMount, type SourceFacts } from './container-mounts.ts'
import type { ContainerLogs } from './container-logs.ts'
import { HostMounts } from './host-mounts.ts'
import { bridgeLinks, linkEnvironment } from './link-environment.ts'
import { isUp, ZERO_TIME, type ContainerMount, type ContainerRecord } from './container-record.ts'
import type { ContainerTable } from './container-table.ts'
import { networkedContainer } from './networked-container.ts'
import { planStart, type StartContext } from './start-plan.ts'

export interface RunnerOptions {
  readonly table: ContainerTable
  readonly logs: ContainerLogs
  readonly images: ImageStore
  readonly volumes: LocalVolumes
  readonly subpaths: SubpathMounts
  readonly snapshotter: Snapshotter
  readonly launcher: Launcher
  readonly networks: ContainerNetworks
  readonly kernel: Kernel
  readonly events: EventLog
  readonly clock: Clock
  readonly logger: Logger
  /** Containers have user namespaces of this mapping, but for those that ask for the host's. */
  readonly mapped: MappedFolders | undefined
  /** Absolute cgroup path below which each container gets its own. */
  readonly cgroupParent: string
  readonly architecture: string
  /** The monitor's program, which is also `--init`. */
  readonly monitorPath: string
}

const SHM_RESTRICTIONS = ['nosuid', 'nodev', 'noexec'] as const

/** Brings one container up and takes it down. The caller holds the container's lock. */
export class ContainerRunner {
  readonly #options: RunnerOptions
  readonly #hostMounts: HostMounts

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#hostMounts = new HostMounts(options.kernel.mounts, id => options.table.directory(id))
  }

  get cgroupParent(): string { return this.#options.cgroupParent }

  cgroupPath(container: Container): string {
    const parent = container.record.hostConfig.CgroupParent
    return join('/', parent === undefined || parent === '' ? this.#options.cgroupParent : parent, container.id)
  }

  layers(container: Container): readonly string[] { return container.record.diffIds.map(diffId => this.#options.images.layers.directory(diffId)) }

  /** The view of the engine's folders that a start now would give it. */
  mapped(record: ContainerRecord): MappedFolders | undefined { return record.hostConfig.UsernsMode === 'host' ? undefined : this.#options.mapped }

  /** Resolves when the process runs and the record says so. A failure leaves nothing up, and its reason in the record. */
  async start(container: Container): Promise<Launched> {
    const { clock } = this.#options
    try {
      const launched = await this.#bringUp(container)
      container.launched = launched
      container.startedAtMs = clock.monotonicMs()
      await container.update({
        stoppedByUser: false,
        state: { status: 'running', pid: launched.pid, exitCode: 0, error: '', oomKilled: false, startedAt: isoTime(clock.nowMs()), finishedAt: container.state.finishedAt },
      })
      this.publish(container, 'start')
      return launched
    } catch (error) {
      await this.takeDown(container)
      const failed = error instanceof RuntimeFailed
      const reason = failed ? error.failure : error
      const exitCode = failed ? error.exitCode : 128
      const finished = container.state.startedAt === ZERO_TIME && container.state.status === 'created' ? {} : { finishedAt: isoTime(clock.nowMs()) }
      await container.observe({ sandbox: undefined, state: { ...container.state, status: container.state.status === 'created' ? 'created' : 'exited', pid: 0, exitCode, error: messageOf(reason), ...finished } })
      this.#options.launcher.forget(container.id)
      throw reason
    }
  }

  /** Records an exit, and that a restart follows, after everything that the run had in the kernel is gone. */
  async finish(container: Container, exit: ExitStatus, comesBack: boolean): Promise<void> {
    const { clock, logger } = this.#options
    const endMs = exit.lost === true ? clock.nowMs() : exit.atMs
    const startMs = Date.parse(container.state.startedAt)
    const isClean = await this.takeDown(container).then(() => true, (err: unknown) => { logger.error('a container was not cleaned up', { container: container.id, err }); return false })
    if (exit.oomKilled) this.publish(container, 'oom')
    const health = container.state.health === undefined ? {} : { health: { ...container.state.health, Status: 'unhealthy' as const } }
    await container.observe({
      ...(isClean ? { sandbox: undefined } : {}),
      restartCount: container.record.restartCount + (comesBack ? 1 : 0),
      state: { ...container.state, status: comesBack ? 'restarting' : 'exited', pid: 0, exitCode: exit.code, oomKilled: exit.oomKilled, error: exit.lost === true && exit.unwatched !== true ? 'the container monitor went away' : '', finishedAt: isoTime(endMs), ...health },
    })
    // Only now: until the exit is recorded, the monitor's file is all that tells of it.
    if (isClean) this.#options.launcher.forget(container.id)
    this.publish(container, 'die', { exitCode: String(exit.code), execDuration: String(Math.max(0, Math.floor((endMs - startMs) / 1000))) })
  }

  /**
   * Takes away all that a run had in the kernel and on the network; idempotent. The record still names the sandbox and the monitor's
   * folder is still there: the caller's next write forgets the one, then launcher.forget() the other.
   */
  async takeDown(container: Container): Promise<void> {
    const { launcher, networks, snapshotter, volumes } = this.#options
    container.launched?.monitor.disconnect()
    container.launched = undefined
    // Each waits for the kernel in its own way, and none needs another's end (D-257).
    const steps = await Promise.allSettled([
      launcher.cleanUp(container.id, this.cgroupPath(container)), networks.detach(container.id), snapshotter.unmount(container.id), this.#hostMounts.release(container.id),
      ...container.record.mounts.map(async mount => { if (mount.Type === 'volume' && mount.Name !== undefined) await volumes.release(mount.Name, container.id, true) }),
    ])
    for (const step of steps) if (step.status === 'rejected') throw step.reason
  }

  /** Removes the monitor's folder; what it tells of the last run must be on disk. */
  forget(container: Container): void { this.#options.launcher.forget(container.id) }

  publish(container: Container, action: string, more: Readonly<Record<string, string>> = {}): void {
    this.#options.events.publish('container', action, container.id, { ...eventAttributes(container.record), ...more })
  }

  async #bringUp(container: Container): Promise<Launched> {
    const { networks, snapshotter } = this.#options
    const mapped = this.mapped(container.record)
    const rootfs = await snapshotter.mount(container.id, this.layers(container), mapped)
    this.#checkSharedNetwork(container)
    const sandbox = await networks.attach(networkedContainer(container.record), mapped === undefined ? undefined : { ids: mapped.ids, ...this.#joinedUserns(container.record) })
    // The sandbox is on disk before the process starts, so that a daemon that comes back knows it.
    await container.update({ sandbox, ids: mapped?.ids })
    const subpaths: MountedSubpath[] = []
    try {
      return await this.#launch(container, { rootfs, sandbox, mounts: [...await this.#userMounts(container, subpaths), ...this.#ownFiles(container, sandbox)] })
    } finally {
      for (const subpath of subpaths) await subpath[Symbol.asyncDispose]()
    }
  }

  /** Whoever shares namespaces shares the user namespace that they belong to. */
  #joinedUserns({ hostConfig }: ContainerRecord): { readonly join?: string } {
    const mode = [hostConfig.PidMode ?? '', hostConfig.IpcMode ?? ''].find(each => each.startsWith('container:'))
    return mode === undefined ? {} : { join: `/proc/${this.#runningPid(mode.slice('container:'.length))}/ns/user` }
  }

  #userns(record: ContainerRecord, { netnsPath }: ContainerSandbox): (HeldPath & { readonly ids: IdMapping }) | undefined {
    const mapped = this.mapped(record)
    if (mapped === undefined) return undefined
    // Without networking the runtime makes both.
    if (netnsPath === '') return { path: '', close: () => undefined, ids: mapped.ids }
    const held = netnsPath === undefined ? undefined : this.#options.kernel.processes.userNamespaceOf(netnsPath)
    if (held === undefined) throw new ShoalError('failed-precondition', 'userns-conflict', `container ${record.name} cannot share the network of one without a user namespace of its own: give it --userns=host too`)
    return { path: held.path, close: () => held.close(), ids: mapped.ids }
  }

  async #launch(container: Container, { rootfs, sandbox, mounts }: { readonly rootfs: string; readonly sandbox: ContainerSandbox; readonly mounts: readonly OciMount[] }): Promise<Launched> {
    const { record } = container
    const log = await this.#options.logs.prepare(container)
    const shm = await this.#sharedMemory(record)
    const userns = this.#userns(record, sandbox)
    try {
      return await this.#launchIn(container, { rootfs, sandbox, mounts, userns, shm, log })
    } finally {
      userns?.close()
    }
  }

  async #launchIn(container: Container, { rootfs, sandbox, mounts, userns, shm, log }: Pick<StartContext, 'rootfs' | 'sandbox' | 'mounts' | 'userns' | 'shm'> & { readonly log: LaunchOptions['log'] }): Promise<Launched> {
    const { launcher, kernel } = this.#options
    const { record } = container
    const input = await planStart(container.record, {
      kernel, rootfs, sandbox, mounts, userns, cgroupPath: this.cgroupPath(container), architecture: this.#options.architecture, initPath: this.#options.monitorPath,
      pidOf: ref => this.#runningPid(ref), shm, linkEnv: this.#linkEnvironment(record),
    })
    const attachments = [...container.waitingAttachments]
    container.waitingAttachments.clear()
    try {
      return await launcher.launch({
        id: container.id, runtime: record.hostConfig.Runtime ?? '', spec: buildSpec(input), cgroupPath: input.cgroupPath, attachments,
        tty: record.config.Tty === true, openStdin: record.config.OpenStdin === true, stdinOnce: record.config.StdinOnce === true,
        log, owner: userns === undefined ? undefined : rootOf(userns.ids),
      })
    } catch (error) {
      for (const attachment of attachments) attachment.endOutput()
      throw error
    }
  }

  #checkSharedNetwork(container: Container): void {
    const mode = container.record.hostConfig.NetworkMode ?? ''
    if (!mode.startsWith('container:')) return
    const donor = this.#options.table.get(mode.slice('container:'.length))
    if (donor === container) throw new ShoalError('invalid-argument', 'invalid-config', 'cannot join own network')
    if (!isUp(donor.state)) throw new ShoalError('conflict', 'not-running', `cannot join network namespace of a non running container: container ${donor.record.name} is ${donor.state.status}`)
  }

  #runningPid(ref: string): number {
    const other = this.#options.table.get(ref)
    if (!isUp(other.state)) throw new ShoalError('conflict', 'not-running', `failed to join PID namespace: container ${other.id} is not running`)
    return other.state.pid
  }

  /** Where /dev/shm comes from. A private one is nobody else's to join. */
  async #sharedMemory(record: ContainerRecord): Promise<SpecInput['shm']> {
    const { IpcMode: mode = '', ShmSize: sizeBytes } = record.hostConfig
    const mapped = this.mapped(record)
    if (mode === 'none') return { kind: 'none' }
    if (mode === 'host') return { kind: 'bind', source: '/dev/shm', restrictions: this.#options.kernel.mounts.restrictions('/dev/shm') }
    if (mode === 'shareable') return { kind: 'bind', source: await this.#hostMounts.shareMemory(record.id, sizeBytes, mapped === undefined ? undefined : rootOf(mapped.ids)), restrictions: SHM_RESTRICTIONS }
    if (!mode.startsWith('container:')) return { kind: 'own' }
    const source = this.#donatedMemory(mode.slice('container:'.length))
    return { kind: 'bind', source, restrictions: this.#options.kernel.mounts.restrictions(source) }
  }

  #donatedMemory(ref: string): string {
    const donor = this.#options.table.get(ref)
    const refuse = (code: string, reason: string): ShoalError => new ShoalError('conflict', code, `failed to join IPC namespace: container ${donor.id}${reason}`)
    if (!isUp(donor.state)) throw refuse('not-running', ' is not running')
    const mode = donor.record.hostConfig.IpcMode ?? ''
    if (mode === 'host') return '/dev/shm'
    if (mode.startsWith('container:')) return this.#donatedMemory(mode.slice('container:'.length))
    if (mode !== 'shareable') throw refuse('not-shareable', ': non-shareable IPC (hint: use IpcMode:shareable for the donor container)')
    return this.#hostMounts.sharedMemoryPath(donor.id)
  }

  /** @throws `not-running` (conflict) for a link to a container that is down */
  #linkEnvironment(record: ContainerRecord): readonly string[] {
    const links = bridgeLinks(record).map(({ target: ref, alias }) => {
      const target = this.#options.table.find(ref)
      if (target === undefined || !isUp(target.state)) throw new ShoalError('conflict', 'not-running', `Cannot link to a non running container: /${target?.record.name ?? ref} AS /${record.name}/${alias}`)
      return { alias, target: target.record }
    })
    return linkEnvironment(record, links)
  }

  /** @param subpaths gets what must stay until the runtime has mounted it */
  async #userMounts(container: Container, subpaths: MountedSubpath[]): Promise<readonly OciMount[]> {
    const result: OciMount[] = []
    for (const [index, mount] of container.record.mounts.entries()) {
      const source = await this.#sourceOf(container, { mount, index, subpaths })
      result.push(ociMount(mount, source, this.#sourceFacts(mount, source)))
    }
    return result
  }

  #sourceFacts(mount: ContainerMount, source: string): SourceFacts {
    if (mount.Type === 'tmpfs') return { restrictions: [], isDirectory: true }
    return { restrictions: this.#options.kernel.mounts.restrictions(source), isDirectory: statSync(source, { throwIfNoEntry: false })?.isDirectory() !== false }
  }

  async #sourceOf(container: Container, { mount, index, subpaths }: { readonly mount: ContainerMount; readonly index: number; readonly subpaths: MountedSubpath[] }): Promise<string> {
    const { volumes, images } = this.#options
    const mapped = this.mapped(container.record)
    if (mount.Type === 'bind') this.#checkPropagation(mount)
    if (mount.Type === 'image') {
      const layers = (mount.image?.diffIds ?? []).map(diffId => images.layers.directory(diffId))
      const files = await this.#hostMounts.image(container.id, index, layers, mapped)
      return mount.subpath === undefined ? files : resolveInRoot(files, mount.subpath)
    }
    if (mount.Type !== 'volume' || mount.Name === undefined) return mount.Source
    const found = await volumes.acquire(mount.Name, container.id, { destination: mount.Destination, writable: mount.RW })
    const data = mapped?.view(found) ?? found
    if (mount.subpath === undefined) return data
    const part = await this.#options.subpaths.mount(data, mount.subpath)
    subpaths.push(part)
    return part.path
  }

  /** Mounts can travel only from and to a mount that takes part. */
  #checkPropagation({ Source: source, Propagation: mode }: ContainerMount): void {
    if (!/shared|slave/.test(mode)) return
    const there = this.#options.kernel.mounts.propagation(source)
    if (there === undefined || there.isShared || (mode.includes('slave') && there.isSlave)) return
    throw new ShoalError('invalid-argument', 'not-a-shared-mount', `path ${source} is mounted on ${there.mountPoint} but it is not a shared${mode.includes('slave') ? ' or slave' : ''} mount`)
  }

  /** /etc/hosts, /etc/hostname and /etc/resolv.conf, unless the user mounts something there. */
  #ownFiles(container: Container, sandbox: ContainerSandbox): readonly OciMount[] {
    const directory = this.#options.table.directory(container.id)
    const view = (path: string): string => this.mapped(container.record)?.view(path) ?? path
    mkdirSync(directory, { recursive: true })
    const files = { hosts: sandbox.hosts, hostname: `${container.record.config.Hostname ?? ''}\n`, 'resolv.conf': sandbox.resolvConf }
    const taken = new Set(container.record.mounts.map(mount => mount.Destination))
    const access = container.record.hostConfig.ReadonlyRootfs === true ? ['ro'] : []
    return Object.entries(files).filter(([name]) => !taken.has(`/etc/${name}`)).map(([name, text]) => {
      writeFileSync(join(directory, name), text, { mode: 0o644 })
      return { destination: `/etc/${name}`, type: 'bind', source: view(join(directory, name)), options: ['rbind', ...access, 'rprivate'] }
    })
  }
}

/** RFC 3339 without trailing zeros, as Go prints times. */
export function isoTime(atMs: number): string { return new Date(atMs).toISOString().replace(/\.?0*Z$/, 'Z') }
