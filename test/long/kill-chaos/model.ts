/** What a worker knows of a container: all that was acknowledged, and beside it what may have happened unacknowledged. */
export interface Known {
  id: string
  name: string
  readonly kind: 'sleeper' | 'quick'
  readonly policy: 'no' | 'always' | 'unless-stopped' | 'on-failure'
  readonly autoRemove: boolean
  /** Of a quick one: what it ends with. */
  readonly code: number
  state: 'created' | 'running' | 'ended'
  /** Of an ended one. */
  exitCode: number
  /** Of a running one, once it was seen. */
  pid: number | undefined
  memory: number
  networks: readonly string[]
  /** Files that were copied into it, with their sizes. */
  readonly files: Map<string, number>
}

/** A container as the daemon describes it. */
export interface Seen {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly exitCode: number
  readonly pid: number
  readonly memory: number
  readonly networks: readonly string[]
  readonly restartCount: number
}

/** Program of a container that ends when it is told to, with a status of its own. */
export const SLEEPER_CODE = 7
export const KILLED_CODE = 137
export const RETRIES = 2

/** What a start of the daemon makes of a container, by its restart policy and --rm. */
export function afterRestart(known: Known): Known | undefined {
  if (known.autoRemove && known.state !== 'running') return undefined
  if (known.policy === 'always' && known.state === 'ended') return { ...known, state: 'running', pid: undefined }
  return known
}

/** What is wrong with what is seen, if this is what should be. */
export function differences(known: Known, seen: Seen): readonly string[] {
  const wrong: string[] = []
  const expect = (what: string, actual: unknown, expected: unknown): void => { if (actual !== expected) wrong.push(`${what} is ${String(actual)} instead of ${String(expected)}`) }
  expect('its id', seen.id, known.id)
  expect('its name', seen.name, known.name)
  expect('its memory limit', seen.memory, known.memory)
  expect('its networks', seen.networks.join(), known.networks.join())
  if (known.kind === 'quick' && known.state === 'running') {
    if (seen.status === 'exited') expect('its exit code', seen.exitCode, known.code)
    else if (seen.status !== 'running' && seen.status !== 'restarting') wrong.push(`it is ${seen.status} after a start`)
    if (seen.restartCount > RETRIES) wrong.push(`it was restarted ${seen.restartCount} times`)
    return wrong
  }
  expect('its status', seen.status, known.state === 'ended' ? 'exited' : known.state)
  if (known.state === 'ended') expect('its exit code', seen.exitCode, known.exitCode)
  if (known.state === 'running' && known.pid !== undefined) expect('its process', seen.pid, known.pid)
  return wrong
}
