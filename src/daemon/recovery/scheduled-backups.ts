import { createReadStream, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readState } from '../../api/swarm/state-summary.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { RpcClient } from '../../base/rpc.ts'
import { TaskGroup } from '../../base/task-group.ts'
import { openBackup } from '../../platform/backup/open-backup.ts'
import { writeDurably } from '../../platform/backup/write-durably.ts'
import { VERSION } from '../version.ts'
import { createBackup } from './backup-stream.ts'

/** How often it is looked whether one is due, or whether this host has become a manager. */
const LOOK_MS = 1_000
/** After one that failed. */
const RETRY_MS = 30_000
const SUFFIX = '.backup'
/** What a crash left of one that was being written. */
const UNFINISHED_SUFFIX = `${SUFFIX}.new`

/** What the daemon's configuration says of them; all of it may change while it runs. */
export interface BackupSchedule {
  /** Empty: none are made. */
  readonly swarmBackupFolder: string
  readonly swarmBackupIntervalMs: number
  /** How many of this node's own are kept. */
  readonly swarmBackupsKept: number
  readonly swarmBackupPassphraseFile: string
}

/** What ScheduledBackups works with. */
export interface ScheduledBackupsParts {
  readonly schedule: () => BackupSchedule
  /** This host's manager, when it is one. */
  readonly manager: () => { readonly client: RpcClient; readonly clusterId: string; readonly nodeId: string } | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Saves the cluster into a folder at an interval, on each manager that is told to: sealed, checked, there whole or not at all, the oldest removed. When the
 * next is due the newest file says, so a restart changes nothing. What fails is tried again, and told until one goes well.
 */
export class ScheduledBackups implements AsyncDisposable {
  readonly #parts: ScheduledBackupsParts
  readonly #group: TaskGroup
  #failure = ''

  constructor(parts: ScheduledBackupsParts) {
    this.#parts = parts
    this.#group = new TaskGroup(parts.logger)
  }

  /** Why there is no new backup; empty when there is none to be made, or all is well. */
  get failure(): string { return this.#parts.schedule().swarmBackupFolder === '' || this.#parts.manager() === undefined ? '' : this.#failure }

  start(): void { this.#group.run('save the cluster at its times', async signal => this.#run(signal)) }

  async [Symbol.asyncDispose](): Promise<void> { await this.#group[Symbol.asyncDispose]() }

  async #run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#parts.clock.sleep(this.#failure === '' ? LOOK_MS : RETRY_MS, signal)
      await this.saveIfDue(signal)
    }
  }

  /** Saves the cluster if it is time, and keeps why it could not. */
  async saveIfDue(signal: AbortSignal): Promise<void> {
    try {
      await this.#save(signal)
      this.#failure = ''
    } catch (err) {
      signal.throwIfAborted()
      this.#failure = messageOf(err)
      this.#parts.logger.error('the cluster could not be saved; it is tried again', { err, folder: this.#parts.schedule().swarmBackupFolder })
    }
  }

  async #save(signal: AbortSignal): Promise<void> {
    const { clock, logger, schedule, manager } = this.#parts
    const { swarmBackupFolder: folder, swarmBackupIntervalMs: intervalMs, swarmBackupsKept: kept, swarmBackupPassphraseFile: passphraseFile } = schedule()
    const own = manager()
    if (folder === '' || own === undefined) return
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const prefix = `swarm-${own.clusterId}-${own.nodeId}-`
    const newest = namesOf(folder, prefix).at(-1)
    // A clock that was set back makes the newest one of the future: better one too many.
    const ageMs = newest === undefined ? Infinity : clock.nowMs() - timeOf(newest)
    if (ageMs >= 0 && ageMs < intervalMs) return
    const createdAtMs = clock.nowMs()
    const path = join(folder, `${prefix}${new Date(createdAtMs).toISOString().replace(/[-:]|\.\d+/g, '')}${SUFFIX}`)
    const passphrase = readFileSync(passphraseFile, 'utf8').replace(/\r?\n$/, '')
    await writeDurably(path, createBackup(own.client, { clusterId: own.clusterId, createdAtMs, productVersion: VERSION }, { passphrase, signal }), async written => { await readState(openBackup(createReadStream(written), passphrase)) })
    const names = namesOf(folder, prefix)
    for (const name of names.slice(0, Math.max(0, names.length - kept))) rmSync(join(folder, name))
    for (const name of readdirSync(folder)) if (name.startsWith(prefix) && name.endsWith(UNFINISHED_SUFFIX)) rmSync(join(folder, name), { force: true })
    logger.info('the cluster was saved', { path, bytes: statSync(path).size })
  }
}

/** From "….20261122T010000Z.backup". */
function timeOf(name: string): number {
  const match = /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.backup$/.exec(name)
  return match === null ? -Infinity : Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]), Number(match[4]), Number(match[5]), Number(match[6]))
}

/** Oldest first: the names say when. */
function namesOf(folder: string, prefix: string): readonly string[] {
  return readdirSync(folder).filter(name => name.startsWith(prefix) && name.endsWith(SUFFIX)).sort()
}
