import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../../src/base/logger.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { ContainerNetworks, ContainerSandbox, NetworkedContainer } from '../network/container-networks.ts'
import type { Adopted, Launcher } from '../runtime/launcher.ts'
import type { Snapshotter } from '../snapshot/snapshotter.ts'
import type { LocalVolumes } from '../volume/local-volumes.ts'
import type { Container } from './container.ts'
import { applyLimits } from './container-update.ts'
import { isUp } from './container-record.ts'
import type { ContainerLogs } from './container-logs.ts'
import type { ContainerTable } from './container-table.ts'
import { isFrozen, thaw } from './freezer.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { LocalExecs } from './local-execs.ts'
import { networkedContainer } from './networked-container.ts'
import { comesBack, startsWithDaemon } from './restart-policy.ts'

export interface RestoreOptions {
  readonly table: ContainerTable
  readonly launcher: Launcher
  readonly lifecycle: Lifecycle
  readonly logs: ContainerLogs
  readonly networks: ContainerNetworks
  readonly snapshotter: Snapshotter
  readonly volumes: LocalVolumes
  readonly execs: LocalExecs
  readonly kernel: Kernel
  readonly logger: Logger
  readonly execRoot: string
}

const LOST = { code: 255, oomKilled: false, atMs: 0, lost: true, unwatched: true }

/**
 * After a start of the daemon, whatever ended the one before: containers that run are taken over with their process, exits that nobody saw are recorded,
 * half-done starts and removals are undone or finished, and what restart policies want is started.
 */
export async function restoreContainers(options: RestoreOptions): Promise<void> {
  const { table, launcher, lifecycle, networks, snapshotter, volumes, logger } = options
  const found = await Promise.all(table.all().map(async container => ({ container, adopted: await launcher.adopt(container.id) })))
  const running = found.filter(({ container, adopted }) => isUp(container.state) && adopted.kind === 'running').map(({ container }) => container)
  const runningIds = new Set(running.map(container => container.id))
  await networks.restore(running.map(sandboxed), table.damagedIds)
  await snapshotter.retain(new Set([...table.all().map(container => container.id), ...table.damagedIds]), new Set([...runningIds, ...table.damagedIds]))
  await volumes.retain(new Set([...table.all().map(container => container.id), ...table.damagedIds]))
  // What ran when the machine or the monitor went, and may run again.
  const lost = new Set(found.filter(({ container, adopted }) => isUp(container.state) && adopted.kind === 'lost').map(({ container }) => container))
  for (const { container, adopted } of found) {
    await settle(options, container, adopted).catch((err: unknown) => { logger.error('a container could not be restored', { container: container.id, err }) })
  }
  for (const container of running) for (const mount of container.record.mounts) if (mount.Type === 'volume' && mount.Name !== undefined) volumes.adopt(mount.Name, container.id, mount.Source)
  await volumes.settle()
  for (const container of running) await options.execs.adopt(container).catch((err: unknown) => { logger.warn('execs of a container could not be taken over', { container: container.id, err }) })
  await removeStrays(options)
  for (const container of table.all()) if (!isUp(container.state)) options.logs.catchUp(container)
  for (const container of table.all()) {
    if (isUp(container.state)) continue
    const comes = startsWithDaemon(container.record) || (lost.has(container) && comesBack(container.record, LOST.code))
    const coming = comes ? lifecycle.start(container) : container.state.status === 'exited' ? lifecycle.retry(container) : undefined
    await coming?.catch((err: unknown) => { logger.warn('a container could not be started with the daemon', { container: container.id, err }) })
  }
}

function sandboxed(container: Container): { readonly container: NetworkedContainer; readonly sandbox: ContainerSandbox } {
  return { container: networkedContainer(container.record), sandbox: container.record.sandbox ?? { endpoints: {}, ports: {}, hosts: '', resolvConf: '' } }
}

async function settle({ lifecycle, launcher, kernel }: RestoreOptions, container: Container, adopted: Adopted): Promise<void> {
  const { status } = container.state
  if (isUp(container.state)) {
    if (adopted.kind === 'running') {
      await matchKernel(kernel, container, lifecycle.runner.cgroupPath(container))
      return lifecycle.adopt(container, adopted.launched)
    }
    // After a reboot nothing counts as a restart: restore starts again what a policy wants, as dockerd does.
    return adopted.kind === 'exited' ? lifecycle.exited(container, adopted.exit) : lifecycle.exited(container, LOST, { isLeft: true })
  }
  // A start that was never acknowledged: the process came up, the record did not.
  if (adopted.kind === 'running') {
    adopted.launched.monitor.signal(9)
    await adopted.launched.exit
  }
  await lifecycle.runner.takeDown(container)
  if (container.record.sandbox !== undefined) await container.update({ sandbox: undefined })
  await launcher.cleanUp(container.id, lifecycle.runner.cgroupPath(container))
  lifecycle.runner.forget(container)
  // Whoever wanted it removed at its end is not there any more to see to that; Docker removes it as well, even if it never started.
  if (status === 'removing' || container.record.hostConfig.AutoRemove === true) await lifecycle.remove(container, { volumes: true })
  else if (status === 'restarting') lifecycle.resumeRestart(container)
}

/** A change of a running container that was half done: the record decides. */
async function matchKernel(kernel: Kernel, container: Container, cgroup: string): Promise<void> {
  const { record, state } = container
  if (record.updating !== undefined) {
    applyLimits(kernel, cgroup, record.updating, record.hostConfig)
    await container.update({ updating: undefined })
  }
  const frozen = isFrozen(kernel, cgroup)
  const staysPaused = frozen && state.status === 'paused' && state.isBriefPause !== true
  if (frozen && !staysPaused) thaw(kernel, cgroup)
  if (!staysPaused && state.status === 'paused') await container.updateState({ status: 'running', isBriefPause: undefined })
}

/** Run-time folders of containers that no longer exist. */
async function removeStrays({ table, launcher, execRoot, lifecycle }: RestoreOptions): Promise<void> {
  const known = new Set([...table.all().map(container => container.id), ...table.damagedIds].map(id => launcher.directory(id)))
  const names = await readdir(join(execRoot, 'c')).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'ENOENT') throw error; return [] })
  for (const name of names) {
    if (known.has(join(execRoot, 'c', name))) continue
    const adopted = await launcher.adopt(name)
    if (adopted.kind === 'running') {
      adopted.launched.monitor.signal(9)
      await adopted.launched.exit
    }
    await launcher.cleanUpStray(name, lifecycle.runner.cgroupParent)
  }
}
