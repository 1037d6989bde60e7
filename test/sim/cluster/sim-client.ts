import { make } from '../../../src/api/codec/codec.ts'
import { CONTROL_RPC } from '../../../src/api/codec/methods.ts'
import type { Service } from '../../../src/api/swarm/objects.ts'
import type { ServiceSpec } from '../../../src/api/swarm/specs.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { randomInt, type Random } from '../../../src/base/random.ts'
import type { RpcClient } from '../../../src/base/rpc.ts'
import type { ClusterInvariants } from './cluster-invariants.ts'

const SERVICES_MAX = 4
const REPLICAS_MAX = 5

/** Somebody who changes what the cluster is to do, through the control API of any manager. What fails may have happened or not; what succeeds must last. */
export class SimClient {
  readonly #random: Random
  readonly #invariants: ClusterInvariants
  #names = 0

  constructor(random: Random, invariants: ClusterInvariants) {
    this.#random = random
    this.#invariants = invariants
  }

  /** Makes one random request. Never rejects for what a cluster in trouble may answer. */
  async ask(client: RpcClient): Promise<void> {
    try {
      const dice = this.#random.next()
      if (dice < 0.45) await this.#createConfig(client)
      else if (dice < 0.93) await this.#changeServices(client)
      else await this.#changeNode(client)
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
    }
  }

  async #createConfig(client: RpcClient): Promise<void> {
    const spec = { config: make('ConfigSpec', { annotations: { name: `config${++this.#names}` }, data: Uint8Array.of(1) }) }
    const { object } = await client.unary(CONTROL_RPC.create, { spec })
    if (object?.config !== undefined) this.#invariants.acknowledged(object.config.id)
  }

  async #changeServices(client: RpcClient): Promise<void> {
    const dice = this.#random.next()
    const replicas = randomInt(this.#random, REPLICAS_MAX + 1)
    const { objects } = await client.unary(CONTROL_RPC.list, { kind: 'service', filters: {} })
    const services = objects.flatMap(({ service }) => service ?? [])
    const service = services[randomInt(this.#random, services.length)]
    if (service === undefined || (services.length < SERVICES_MAX && dice < 0.3)) await client.unary(CONTROL_RPC.create, { spec: { service: this.#createSpec(replicas) } })
    else if (dice < 0.4) await client.unary(CONTROL_RPC.remove, { kind: 'service', ref: service.id, force: false })
    else if (dice < 0.7 && service.spec?.replicated !== undefined) await update(client, service, { replicated: { replicas } })
    else await update(client, service, { task: make('TaskSpec', { ...service.spec?.task, forceUpdate: (service.spec?.task?.forceUpdate ?? 0) + 1 }) })
  }

  /** Drains a worker, or lets it work again; half of them always may. */
  async #changeNode(client: RpcClient): Promise<void> {
    const { objects } = await client.unary(CONTROL_RPC.list, { kind: 'node', filters: {} })
    const workers = objects.flatMap(({ node }) => node?.role === 'worker' ? [node] : [])
    const node = workers[randomInt(this.#random, workers.length)]
    const drained = workers.filter(({ spec }) => spec?.availability === 'drain').length
    if (node?.spec === undefined) return
    const availability = node.spec.availability === 'drain' || drained >= workers.length / 2 ? 'active' : 'drain'
    await client.unary(CONTROL_RPC.update, make('UpdateObjectRequest', { kind: 'node', id: node.id, version: node.meta?.version ?? 0, spec: { node: { ...node.spec, availability } } }))
  }

  #createSpec(replicas: number): ServiceSpec {
    const order = this.#random.next() < 0.2 ? 'start-first' : 'stop-first'
    const mode = this.#random.next() < 0.25 ? { global: {} } : { replicated: { replicas } }
    return make('ServiceSpec', {
      annotations: { name: `service${++this.#names}` }, task: { container: { image: 'image:1' }, restart: { condition: 'any', delayNs: 1e9 } }, ...mode,
      update: { parallelism: 2, order, failureAction: 'continue', monitorNs: 1e9 },
    })
  }
}

async function update(client: RpcClient, service: Service, change: Partial<ServiceSpec>): Promise<void> {
  const spec = { service: { ...service.spec as ServiceSpec, ...change } }
  await client.unary(CONTROL_RPC.update, make('UpdateObjectRequest', { kind: 'service', id: service.id, version: service.meta?.version ?? 0, spec }))
}
