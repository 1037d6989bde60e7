import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, Lab } from '../support/lab.ts'
import { Api } from './api.ts'
import { quantile, timed, type Row } from './measure.ts'
import { createService, running } from './service-workloads.ts'

const MANAGERS = 3
/** With the control plane's other figures, and when they alone are asked for. */
const FAILOVERS = 5
const FAILOVERS_ALONE = 20
const RETRY_MS = 10
const RECOVERY_TIMEOUT_MS = 60_000

interface Node { readonly Status: { readonly Addr: string }; readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string } }

/** Three managers: how long a new service takes, and how long no write is accepted after the leader's manager process is killed. */
export async function controlPlane(name: string, replicas: number): Promise<readonly Row[]> {
  await using lab = await Lab.up(name, MANAGERS)
  await lab.form(MANAGERS, MANAGERS)
  const apis = Array.from({ length: MANAGERS }, (_, i) => new Api(lab.socket(i + 1)))
  const [first] = apis as [Api]
  const created = await timed(async () => { await createService(first, 'bench', replicas); await running(first, 'bench', replicas) })
  await first.delete('/services/bench')
  const gaps = await gapsOf(lab, apis, FAILOVERS)
  for (const api of apis) api.close()
  return [{ name: `managers3.service.${replicas}.running`, value: created, unit: 'ms' }, ...gaps]
}

/** Three managers: twenty times how long no write is accepted after the leader's manager process is killed. */
export async function failovers(name: string): Promise<readonly Row[]> {
  await using lab = await Lab.up(name, MANAGERS, { images: false })
  await lab.form(MANAGERS, MANAGERS)
  const apis = Array.from({ length: MANAGERS }, (_, i) => new Api(lab.socket(i + 1)))
  const gaps = await gapsOf(lab, apis, FAILOVERS_ALONE)
  for (const api of apis) api.close()
  return gaps
}

async function gapsOf(lab: Lab, apis: readonly Api[], count: number): Promise<readonly Row[]> {
  const gaps: number[] = []
  for (let round = 0; round < count; round++) gaps.push(await failover(lab, apis, round))
  return [{ name: 'managers3.failover.p50', value: quantile(gaps, 0.5), unit: 'ms' }, { name: 'managers3.failover.max', value: quantile(gaps, 1), unit: 'ms' }]
}

async function failover(lab: Lab, apis: readonly Api[], round: number): Promise<number> {
  const leader = await eventually('three managers are reachable', RECOVERY_TIMEOUT_MS, async () => {
    for (const api of apis) {
      const nodes = await api.get<readonly Node[]>('/nodes')
      if (nodes.filter(node => node.ManagerStatus?.Reachability === 'reachable').length < MANAGERS) return undefined
    }
    const nodes = await (apis[0] as Api).get<readonly Node[]>('/nodes')
    return Number(nodes.find(node => node.ManagerStatus?.Leader === true)?.Status.Addr.split('.').pop())
  })
  const survivor = apis[leader % MANAGERS] as Api
  const accepts = async (attempt: string): Promise<boolean> => createService(survivor, `after-${attempt}`, 0).then(() => true, () => false)
  if (!await accepts(`${round}-before`)) throw new Error('the cluster takes no writes before its leader is killed')
  process.kill(lab.pid(leader, 'manager'), 'SIGKILL')
  return timed(async () => {
    for (let attempt = 0; !await accepts(`${round}-${attempt}`); attempt++) await sleep(RETRY_MS)
  })
}
