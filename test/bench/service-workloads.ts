import { setTimeout as sleep } from 'node:timers/promises'
import { query, type Api } from './api.ts'
import type { Subject } from './engine-workloads.ts'
import { memoryMiB, timed, type Row } from './measure.ts'

interface Service { readonly ID: string; readonly Version: { readonly Index: number }; readonly Spec: ServiceSpec; readonly UpdateStatus?: { readonly State?: string } }
interface ServiceSpec { readonly Name: string; readonly TaskTemplate: { readonly ContainerSpec: object }; readonly Mode: { readonly Replicated: { readonly Replicas: number } } }

const POLL_MS = 20
const TIMEOUT_MS = 120_000
const UPDATED_REPLICAS = 5

function serviceSpec(name: string, replicas: number): ServiceSpec {
  const container = { Image: 'busybox:latest', Command: ['sleep', '3600'], StopGracePeriod: 0, Init: false }
  return {
    Name: name, Mode: { Replicated: { Replicas: replicas } }, TaskTemplate: { ContainerSpec: container, ...{ RestartPolicy: { Condition: 'any', Delay: 0 } } },
    ...{ UpdateConfig: { Parallelism: 1, Delay: 0, Monitor: 100_000_000, Order: 'stop-first', FailureAction: 'pause', MaxFailureRatio: 0 } },
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS
  while (!await holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${TIMEOUT_MS} ms: ${what}`)
    await sleep(POLL_MS)
  }
}

export async function running(api: Api, service: string, replicas: number): Promise<void> {
  await until(`${replicas} tasks of ${service} run`, async () => {
    const tasks = await api.get<readonly { Status: { State: string } }[]>(`/tasks?${query({ service: [service], 'desired-state': ['running'] })}`)
    return tasks.filter(task => task.Status.State === 'running').length === replicas
  })
}

export async function createService(api: Api, name: string, replicas: number): Promise<string> {
  return (await api.post<{ ID: string }>('/services/create', serviceSpec(name, replicas))).ID
}

async function update(api: Api, id: string, change: (spec: ServiceSpec) => ServiceSpec): Promise<void> {
  const { Version, Spec } = await api.get<Service>(`/services/${id}`)
  await api.post(`/services/${id}/update?version=${Version.Index}`, change(Spec))
}

function scaled(replicas: number): (spec: ServiceSpec) => ServiceSpec { return spec => ({ ...spec, Mode: { Replicated: { Replicas: replicas } } }) }
function withEnvironment(spec: ServiceSpec): ServiceSpec {
  return { ...spec, TaskTemplate: { ...spec.TaskTemplate, ContainerSpec: { ...spec.TaskTemplate.ContainerSpec, Env: ['ROUND=2'] } } }
}

async function noContainersLeft(api: Api, service: string): Promise<void> {
  await until(`no container of ${service} is left`, async () => (await api.get<readonly unknown[]>(`/containers/json?all=1&${query({ label: [`com.docker.swarm.service.name=${service}`] })}`)).length === 0)
}

/** A service's whole life on a cluster of one host; the cluster is made for it if there is none. */
export async function services({ api, processes, replicas }: Subject): Promise<readonly Row[]> {
  const { Swarm } = await api.get<{ Swarm: { LocalNodeState: string } }>('/info')
  const isNew = Swarm.LocalNodeState !== 'active'
  if (isNew) await api.post('/swarm/init', { ListenAddr: '127.0.0.1:2377', AdvertiseAddr: '127.0.0.1' })
  const one = await timed(async () => { await createService(api, 'bench-one', 1); await running(api, 'bench-one', 1) })
  await api.delete('/services/bench-one')
  let id = ''
  const many = await timed(async () => { id = await createService(api, 'bench-many', replicas); await running(api, 'bench-many', replicas) })
  const scale = await timed(async () => { await update(api, id, scaled(replicas * 2)); await running(api, 'bench-many', replicas * 2) })
  await update(api, id, scaled(UPDATED_REPLICAS))
  await running(api, 'bench-many', UPDATED_REPLICAS)
  const rolling = await timed(async () => {
    await update(api, id, withEnvironment)
    await until('the update completes', async () => (await api.get<Service>(`/services/${id}`)).UpdateStatus?.State === 'completed')
  })
  const removal = await timed(async () => { await api.delete(`/services/${id}`); await noContainersLeft(api, 'bench-many') })
  const memory = memoryMiB(processes)
  if (isNew) await api.post('/swarm/leave?force=1')
  return [
    { name: 'service.1.running', value: one, unit: 'ms' }, { name: `service.${replicas}.running`, value: many, unit: 'ms' },
    { name: `scale.${replicas}.to.${replicas * 2}`, value: scale, unit: 'ms' }, { name: `rolling.update.${UPDATED_REPLICAS}`, value: rolling, unit: 'ms' },
    { name: 'service.rm', value: removal, unit: 'ms' }, { name: 'daemon.swarm', value: memory, unit: 'MiB' },
  ]
}
