import type { LogMessage } from '../../api/swarm/logs.ts'

export interface LogLineOptions {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly timestamps: boolean
  readonly details: boolean
  /** Raw bytes instead of frames: the task has a terminal. */
  readonly tty: boolean
}

const STDOUT = 1
const STDERR = 2
/** Errors of the daemon itself; the CLI fails with them. */
const SYSTEM_ERROR = 3
const CONTEXT = 'com.docker.swarm'

/** One message of a service log as the API streams it, or nothing when its stream is not wanted (G05). */
export function logLine(message: LogMessage, options: LogLineOptions): Uint8Array {
  const isError = message.stream === 'stderr'
  if (isError ? !options.stderr : !options.stdout) return new Uint8Array()
  const prefix = `${options.timestamps ? `${nanoTime(message.timestamp)} ` : ''}${options.details ? `${details(message)} ` : ''}`
  const line = Buffer.concat([Buffer.from(prefix), message.data])
  return options.tty ? line : framed(isError ? STDERR : STDOUT, line)
}

/** A warning at the end of a log, which clients report as an error of the stream (G03). */
export function logWarning(warning: string, tty: boolean): Uint8Array {
  const line = Buffer.from(`Error grabbing logs: rpc error: code = Unknown desc = ${warning}\n`)
  return tty ? line : framed(SYSTEM_ERROR, line)
}

function framed(stream: number, line: Uint8Array): Uint8Array {
  const head = Buffer.alloc(8)
  head[0] = stream
  head.writeUInt32BE(line.length, 4)
  return Buffer.concat([head, line])
}

/** "k=v,k=v" in order of keys, both sides escaped as in a query. */
function details({ attributes, context }: LogMessage): string {
  const all = new Map(attributes.map(({ key, value }) => [key, value]))
  all.set(`${CONTEXT}.node.id`, context?.nodeId ?? '').set(`${CONTEXT}.service.id`, context?.serviceId ?? '').set(`${CONTEXT}.task.id`, context?.taskId ?? '')
  return [...all].toSorted(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => `${escape(key)}=${escape(value)}`).join(',')
}

function escape(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

/** Always nine digits, so that columns line up. */
function nanoTime(timestamp: string): string {
  const match = /^(.*?\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/.exec(timestamp)
  return match === null ? timestamp : `${match[1]}.${(match[2] ?? '').padEnd(9, '0')}${match[3]}`
}
