import type { Api, Json } from './api.ts'
import { memoryMiB, parallel, quantile, timed, type Row } from './measure.ts'

/** What a workload gets: the daemon, how often to repeat, and which processes' memory is the daemon's. */
export interface Subject { readonly api: Api; readonly processes: RegExp; readonly rounds: number; readonly replicas: number }

const IMAGE = 'busybox:latest'
const DENSITY = 40
const WIDTH = 8
const LISTS = 20
const LOG_LINES = 200_000
const LOG_LINE = 'one line of a log, about as long as the lines that a busy service writes'

async function create(api: Api, command: readonly string[], hostConfig: Json = {}): Promise<string> {
  return (await api.post<{ Id: string }>('/containers/create', { Image: IMAGE, Cmd: command, HostConfig: hostConfig })).Id
}

/** create, wait, start, delete: what `docker run --rm` costs without the client. */
async function runOnce(api: Api, hostConfig: Json): Promise<{ readonly startedMs: number; readonly totalMs: number }> {
  const beganMs = performance.now()
  const id = await create(api, ['true'], hostConfig)
  const ended = api.post<{ StatusCode: number }>(`/containers/${id}/wait?condition=next-exit`)
  await api.post(`/containers/${id}/start`)
  const startedMs = performance.now() - beganMs
  const { StatusCode } = await ended
  await api.delete(`/containers/${id}?force=1`)
  if (StatusCode !== 0) throw new Error(`the container ended with ${StatusCode}`)
  return { startedMs, totalMs: performance.now() - beganMs }
}

export async function run({ api, rounds }: Subject): Promise<readonly Row[]> {
  await runOnce(api, {})
  const bridge: Awaited<ReturnType<typeof runOnce>>[] = []
  for (let i = 0; i < rounds; i++) bridge.push(await runOnce(api, {}))
  return [
    { name: 'run.bridge.start.p50', value: quantile(bridge.map(each => each.startedMs), 0.5), unit: 'ms' },
    { name: 'run.bridge.total.p50', value: quantile(bridge.map(each => each.totalMs), 0.5), unit: 'ms' },
    { name: 'run.bridge.total.p95', value: quantile(bridge.map(each => each.totalMs), 0.95), unit: 'ms' },
  ]
}

export async function runWithoutNetwork({ api, rounds }: Subject): Promise<readonly Row[]> {
  await runOnce(api, { NetworkMode: 'none' })
  const totals: number[] = []
  for (let i = 0; i < rounds; i++) totals.push((await runOnce(api, { NetworkMode: 'none' })).totalMs)
  return [{ name: 'run.none.total.p50', value: quantile(totals, 0.5), unit: 'ms' }]
}

async function execOnce(api: Api, id: string): Promise<void> {
  const { Id } = await api.post<{ Id: string }>(`/containers/${id}/exec`, { Cmd: ['true'], AttachStdout: true })
  await api.post(`/exec/${Id}/start`, { Detach: false, Tty: false })
}

/** Many containers at once: how fast they come and go, what each costs while it runs, and what the API costs meanwhile. */
export async function density({ api, processes, rounds }: Subject): Promise<readonly Row[]> {
  const idleMiB = memoryMiB(processes)
  const ids: string[] = []
  const upMs = await timed(() => parallel(Array.from({ length: DENSITY }), WIDTH, async () => {
    const id = await create(api, ['sleep', '3600'])
    ids.push(id)
    await api.post(`/containers/${id}/start`)
  }))
  const fullMiB = memoryMiB(processes)
  const listMs = await timed(async () => { for (let i = 0; i < LISTS; i++) await api.get('/containers/json') })
  const execs: number[] = []
  for (let i = 0; i < rounds; i++) execs.push(await timed(() => execOnce(api, ids[0] ?? '')))
  const downMs = await timed(() => parallel(ids, WIDTH, id => api.delete(`/containers/${id}?force=1`)))
  return [
    { name: 'start.parallel8', value: DENSITY / upMs * 1000, unit: '/s' },
    { name: 'remove.parallel8', value: DENSITY / downMs * 1000, unit: '/s' },
    { name: 'daemon.idle', value: idleMiB, unit: 'MiB' },
    { name: 'per.container', value: (fullMiB - idleMiB) / DENSITY, unit: 'MiB' },
    { name: 'list.40', value: listMs / LISTS, unit: 'ms' },
    { name: 'exec.p50', value: quantile(execs, 0.5), unit: 'ms' },
  ]
}

export async function logs({ api }: Subject): Promise<readonly Row[]> {
  const id = await create(api, ['sh', '-c', `yes "${LOG_LINE}" | head -n ${LOG_LINES}`])
  const ended = api.post(`/containers/${id}/wait?condition=next-exit`)
  const writeMs = await timed(async () => { await api.post(`/containers/${id}/start`); await ended })
  let bytes = 0
  const readMs = await timed(async () => { bytes = await api.size(`/containers/${id}/logs?stdout=1&stderr=1`) })
  await api.delete(`/containers/${id}?force=1`)
  if (bytes < LOG_LINES * (LOG_LINE.length + 1)) throw new Error(`${bytes} bytes of log are fewer than were written`)
  return [{ name: 'logs.write', value: LOG_LINES / writeMs * 1000, unit: '/s' }, { name: 'logs.read', value: LOG_LINES / readMs * 1000, unit: '/s' }]
}
