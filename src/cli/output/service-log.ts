import type { Node, Task } from '../../api/engine/swarm-json.ts'
import { ShoalError } from '../../base/errors.ts'
import type { CliContext } from '../cli-context.ts'
import { readFrames } from './framed-stream.ts'
import { shortId } from './human.ts'

/** `tail` is a number of lines or "all"; `since` a time or a duration like 10m; `trunc` shortens task ids. */
export interface ServiceLogOptions { readonly follow?: boolean; readonly tail: string; readonly timestamps?: boolean; readonly since?: string; readonly raw?: boolean; readonly trunc: boolean }

/** Prints a service's (or one task's) log lines, each behind "service.slot.task@node    | ". */
export async function copyLogs(context: CliContext, ref: string, options: ServiceLogOptions): Promise<void> {
  const path = await logPath(context, ref)
  const stream = await context.api().stream('GET', path, {
    query: { stdout: true, stderr: true, follow: options.follow === true, tail: options.tail, timestamps: options.timestamps === true, details: options.raw !== true, since: options.since }, signal: context.signal,
  })
  const prefix = new LogPrefix(context, options.trunc)
  for await (const frame of readFrames(stream)) {
    const line = frame.data.toString('utf8')
    const text = options.raw === true ? line : await prefix.addTo(line, options.timestamps === true)
    ;(frame.stream === 2 ? context.stderr : context.stdout).write(text)
  }
}

async function logPath(context: CliContext, ref: string): Promise<string> {
  for (const kind of ['services', 'tasks']) {
    const path = `/${kind}/${encodeURIComponent(ref)}`
    try {
      await context.api().get(path)
      return `${path}/logs`
    } catch (error) {
      if (!(error instanceof ShoalError) || error.kind !== 'not-found') throw error
    }
  }
  throw new ShoalError('not-found', 'no-such-object', `no such task or service: ${ref}`)
}

/** Turns the details in front of a line (com.docker.swarm.*=… pairs) into "service.slot.id@node". Names are looked up once. */
class LogPrefix {
  readonly #context: CliContext
  readonly #truncate: boolean
  readonly #names = new Map<string, string>()

  constructor(context: CliContext, truncate: boolean) {
    this.#context = context
    this.#truncate = truncate
  }

  async addTo(line: string, hasTimestamp: boolean): Promise<string> {
    const match = hasTimestamp ? /^(\S+) (\S+) ([\s\S]*)$/.exec(line) : /^()(\S+) ([\s\S]*)$/.exec(line)
    const details = match?.[2] ?? ''
    if (match === null || !details.includes('com.docker.swarm.task.id=')) return line
    const pairs = new Map(details.split(',').map(pair => pair.split('=').map(decodeURIComponent) as [string, string]))
    const name = await this.#nameOf(pairs.get('com.docker.swarm.task.id') ?? '', pairs.get('com.docker.swarm.node.id') ?? '')
    return `${name}    | ${hasTimestamp ? `${match[1] ?? ''} ` : ''}${match[3] ?? ''}`
  }

  async #nameOf(taskId: string, nodeId: string): Promise<string> {
    const known = this.#names.get(taskId)
    if (known !== undefined) return known
    const api = this.#context.api()
    const [task, node] = await Promise.all([api.get<Task>(`/tasks/${taskId}`), api.get<Node>(`/nodes/${nodeId}`)])
    const service = await api.get<{ Spec?: { Name?: string } }>(`/services/${task.ServiceID ?? ''}`)
    const slot = (task.Slot ?? 0) > 0 ? String(task.Slot) : task.NodeID ?? ''
    const name = `${service.Spec?.Name ?? ''}.${slot}.${this.#truncate ? shortId(taskId) : taskId}@${node.Description?.Hostname ?? nodeId}`
    this.#names.set(taskId, name)
    return name
  }
}
