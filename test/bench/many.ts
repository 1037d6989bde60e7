import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lab } from '../support/lab.ts'
import { Api } from './api.ts'
import { memoryMiB, parallel, quantile, timed, type Row } from './measure.ts'

const COUNT = 500
const WIDTH = 8
const REQUESTS = 300
const IDLE_MS = 20_000
const TICKS_PER_SECOND = 100

/** Hundreds of containers on one host: what the API and the daemon cost while they run, and how long a restart of the daemon and their removal take. */
export async function many(): Promise<readonly Row[]> {
  await using lab = await Lab.up('shoalmany', 1)
  const api = new Api(lab.socket(1))
  const monitors = new RegExp(`shoal-monitor.*${lab.folder}/h1/exec`)
  const daemon = new RegExp(`^node .*--pidfile ${lab.folder}/h1/shoal.pid`)
  const daemonIdleMiB = memoryMiB(daemon)
  const ids: string[] = []
  const upMs = await timed(() => parallel(Array.from({ length: COUNT }), WIDTH, async () => {
    const { Id } = await api.post<{ Id: string }>('/containers/create', { Image: 'busybox:latest', Cmd: ['sleep', '36000'] })
    ids.push(Id)
    await api.post(`/containers/${Id}/start`)
  }))
  const p99 = async (path: (at: number) => string): Promise<number> => {
    const times: number[] = []
    for (let at = 0; at < REQUESTS; at++) times.push(await timed(() => api.get(path(at))))
    return quantile(times, 0.99)
  }
  const listMs = await p99(() => '/containers/json')
  const inspectMs = await p99(at => `/containers/${ids[at % COUNT]}/json`)
  const pingMs = await p99(() => '/_ping')
  const before = processorMs(lab.pid(1, 'daemon'))
  await sleep(IDLE_MS)
  const idlePercent = (processorMs(lab.pid(1, 'daemon')) - before) / IDLE_MS * 100
  const perContainerMiB = memoryMiB(monitors) / COUNT
  const daemonMiB = memoryMiB(daemon)
  api.close()
  await lab.lab('kill', '1')
  const restartMs = await timed(() => lab.start(1))
  const again = new Api(lab.socket(1))
  const running = (await again.get<readonly unknown[]>('/containers/json')).length
  if (running !== COUNT) throw new Error(`${running} of ${COUNT} containers run after the restart of the daemon`)
  const downMs = await timed(() => parallel(ids, WIDTH, id => again.delete(`/containers/${id}?force=1`)))
  again.close()
  return [
    { name: `many.start (${COUNT})`, value: COUNT / upMs * 1000, unit: '/s' },
    { name: 'many.list.p99', value: listMs, unit: 'ms' }, { name: 'many.inspect.p99', value: inspectMs, unit: 'ms' }, { name: 'many.ping.p99', value: pingMs, unit: 'ms' },
    { name: 'many.daemon.idle', value: idlePercent, unit: '% of a processor' }, { name: 'many.per.container', value: perContainerMiB, unit: 'MiB' },
    { name: 'many.daemon.memory', value: daemonMiB, unit: 'MiB' }, { name: 'many.daemon.memory.before', value: daemonIdleMiB, unit: 'MiB' },
    { name: 'many.restart', value: restartMs, unit: 'ms' }, { name: 'many.remove', value: COUNT / downMs * 1000, unit: '/s' },
  ]
}

/** Processor time of a process with all its threads. */
function processorMs(pid: number): number {
  let ticks = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const fields = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks / TICKS_PER_SECOND * 1000
}
