import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { LogOptions } from '../../../src/api/engine/engine-calls.ts'
import type { Clock, Timer } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { TaskGroup } from '../../../src/base/task-group.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { writeDurably } from '../durable-file.ts'
import { datagramSink } from '../log/datagram-sink.ts'
import { formatJournalEntry } from '../log/journal-message.ts'
import { formatAttributes } from '../log/log-attributes.ts'
import type { LogPosition } from '../log/log-cursor.ts'
import { LogForwarder } from '../log/log-forwarder.ts'
import { loggingFailed, planLog, planLogAtStart, type LogPlan, type RemoteLog } from '../log/log-plan.ts'
import { openLog, parseTime } from '../log/log-reader.ts'
import type { LogSink } from '../log/log-sink.ts'
import type { LoggedContainer } from '../log/log-tag.ts'
import { LogWatch } from '../log/log-watch.ts'
import { openSyslog } from '../log/syslog-sink.ts'
import type { Launched, Launcher, LogTarget } from '../runtime/launcher.ts'
import type { Container } from './container.ts'
import type { ContainerRecord } from './container-record.ts'
import type { ContainerTable } from './container-table.ts'

const JOURNAL_SOCKET = '/run/systemd/journal/socket'
/** How long a removed container's last output may take to reach a server that is slow or away. */
const FORGET_MS = 5000
/** setTimeout's limit. */
const TIMER_MS_MAX = 2 ** 31 - 1

export interface ContainerLogsOptions {
  readonly table: ContainerTable
  readonly launcher: Launcher
  readonly kernel: Kernel
  readonly clock: Clock
  readonly logger: Logger
  readonly tasks: TaskGroup
}

interface Forwarding { readonly abort: AbortController; readonly done: Promise<void> }

/** What containers have written: where it is kept, who reads it, and what else it is sent to. */
export class ContainerLogs {
  readonly #options: ContainerLogsOptions
  /** Remote drivers that were opened for a start that is under way. */
  readonly #opened = new WeakMap<Container, LogSink>()
  readonly #forwarding = new Map<string, Forwarding>()

  constructor(options: ContainerLogsOptions) { this.#options = options }

  /** Where the files are: those of json-file under the name that others look for. */
  path(container: Container): string { return join(this.#options.table.directory(container.id), isJsonFile(container.record) ? `${container.id}-json.log` : 'container.log') }

  /** For a start: where the monitor writes. A remote driver is tried first, as dockerd does. @throws `invalid-log-option`, `log-send-failed` */
  async prepare(container: Container): Promise<LogTarget | undefined> {
    const plan = planLogAtStart(...planned(container.record))
    if (plan.remote !== undefined) this.#opened.set(container, await this.#open(plan.remote).catch((error: unknown) => { throw loggingFailed(error) }))
    return plan.file === undefined ? undefined : { path: this.path(container), ...plan.file, ...(plan.isJson ? { attributes: attributesJson(plan.attributes) } : {}) }
  }

  /** Sends on what a container writes, until it ends. */
  follow(container: Container, launched: Launched): void {
    this.#forward(container, () => this.#watch(launched))
  }

  /** Sends on what is left of a container that ended while no daemon ran. */
  catchUp(container: Container): void { this.#forward(container, async () => undefined) }

  /** The container is gone: what is open of its log is still sent, for a while. */
  forget(container: Container): void {
    const forwarding = this.#forwarding.get(container.id)
    if (forwarding === undefined) return
    const timer = this.#options.clock.after(FORGET_MS, () => forwarding.abort.abort(new Error('the container was removed')))
    forwarding.done.finally(() => timer.cancel()).catch(() => undefined)
  }

  /** @throws `log-not-readable` (invalid-argument), `invalid-log-option` */
  async read(container: Container, options: LogOptions): Promise<Readable> {
    const plan = planLog(...planned(container.record))
    if (!plan.isReadable || plan.file === undefined) throw new ShoalError('invalid-argument', 'log-not-readable', 'configured logging driver does not support reading')
    // Refused before the stream begins: later there is no way to say it.
    parseTime(options.since)
    const { launched } = container
    const until = untilSignal(this.#options.clock, options.until)
    const watch = options.follow === true && launched !== undefined ? await this.#watch(launched) : undefined
    const stream = openLog({
      path: this.path(container), filesMax: plan.file.filesMax, isJson: plan.isJson, tty: container.record.config.Tty === true, attributes: formatAttributes(plan.attributes),
      changed: watch === undefined ? undefined : signal => watch.changed(until === undefined ? signal : AbortSignal.any([signal, until.signal])),
      ...(watch === undefined ? {} : { onWrite: (listener: () => void) => { watch.onWrite(listener) } }),
    }, options)
    stream.once('close', () => { until?.timer.cancel(); watch?.close() })
    return stream
  }

  #forward(container: Container, watching: () => Promise<LogWatch | undefined>): void {
    const { clock, logger, tasks, table } = this.#options
    const plan = remotePlan(container.record)
    if (plan === undefined) return
    const { remote, filesMax } = plan
    const before = this.#forwarding.get(container.id)
    const abort = new AbortController()
    const sink = this.#opened.get(container)
    this.#opened.delete(container)
    const positionPath = join(table.directory(container.id), 'log-position')
    const forwarder = new LogForwarder({
      container: container.id, files: { path: this.path(container), filesMax }, open: () => this.#open(remote), clock, logger,
      load: () => readPosition(positionPath),
      save: async position => { if (table.find(container.id) === container) await writeDurably(positionPath, JSON.stringify(position), { sync: false }) },
    }, sink)
    if (before === undefined) forwarder.open()
    const done = new Promise<void>(resolve => {
      tasks.run('log forwarding', async stop => {
        try {
          before?.abort.abort(new Error('the container runs again'))
          await before?.done
          await runForwarder(forwarder, await watching(), AbortSignal.any([abort.signal, stop]))
        } finally {
          if (this.#forwarding.get(container.id)?.abort === abort) this.#forwarding.delete(container.id)
          resolve()
        }
      })
    })
    this.#forwarding.set(container.id, { abort, done })
  }

  /** Undefined when the monitor has just ended: its log is complete then. */
  async #watch({ socketPath }: Launched): Promise<LogWatch | undefined> {
    const connection = await this.#options.kernel.processes.connect(socketPath).catch(() => undefined)
    return connection === undefined ? undefined : new LogWatch(connection)
  }

  async #open(remote: RemoteLog): Promise<LogSink> {
    const { kernel, clock } = this.#options
    const pause = (delayMs: number): Promise<void> => clock.sleep(delayMs)
    if (remote.kind === 'syslog') return openSyslog(remote.syslog, { kernel, pause, sender: { hostname: hostname(), pid: process.pid } })
    return datagramSink(kernel, [JOURNAL_SOCKET], message => formatJournalEntry(remote.fields, message), pause, 'journald is not enabled on this host')
  }
}

/** Who follows until a time does not wait longer for lines. */
function untilSignal(clock: Clock, until: string | undefined): { readonly signal: AbortSignal; readonly timer: Timer } | undefined {
  const untilNs = parseTime(until)
  if (untilNs === undefined) return undefined
  const abort = new AbortController()
  const delayMs = Math.min(Math.max(0, Number(untilNs / 1_000_000n) - clock.nowMs()), TIMER_MS_MAX)
  return { signal: abort.signal, timer: clock.after(delayMs, () => abort.abort(new Error('until'))) }
}

async function runForwarder(forwarder: LogForwarder, watch: LogWatch | undefined, signal: AbortSignal): Promise<void> {
  try {
    await forwarder.run(async wait => watch === undefined ? false : watch.changed(wait), listener => { watch?.onWrite(listener) }, signal)
  } finally {
    watch?.close()
  }
}

/** Nothing sent yet, or a file that cannot be read: from the beginning. */
function readPosition(path: string): LogPosition | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as LogPosition
  } catch {
    return undefined
  }
}

function isJsonFile({ hostConfig }: ContainerRecord): boolean { return (hostConfig.LogConfig?.Type ?? 'json-file') === 'json-file' }

function attributesJson(attributes: LogPlan['attributes']): string { return Object.keys(attributes).length === 0 ? '' : JSON.stringify(attributes) }

function planned({ hostConfig, ...record }: ContainerRecord): Parameters<typeof planLog> {
  const { Type: type, Config } = hostConfig.LogConfig ?? {}
  return [type ?? 'json-file', Config ?? {}, logged(record)]
}

/** A plan that cannot be read any more sends nothing: the start has said so. */
function remotePlan(record: ContainerRecord): { readonly remote: RemoteLog; readonly filesMax: number } | undefined {
  let plan: LogPlan
  try {
    plan = planLog(...planned(record))
  } catch {
    return undefined
  }
  return plan.remote === undefined || plan.file === undefined ? undefined : { remote: plan.remote, filesMax: plan.file.filesMax }
}

function logged({ id, name, imageId, config }: Pick<ContainerRecord, 'id' | 'name' | 'imageId' | 'config'>): LoggedContainer {
  return { id, name, imageId, imageName: config.Image ?? '', command: [...config.Entrypoint ?? [], ...config.Cmd ?? []], labels: config.Labels ?? {}, env: config.Env ?? [] }
}
