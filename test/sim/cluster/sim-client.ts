import { make } from '../../../src/api/codec/codec.ts'
import type { Service } from '../../../src/api/swarm/objects.ts'
import type { ServiceSpec } from '../../../src/api/swarm/specs.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import { randomInt, type Random } from '../../../src/base/random.ts'
import type { RpcClient } from '../../../src/base/rpc.ts'
import { createControlBackend } from '../../../src/daemon/control-client.ts'
import { Staleness } from '../../../src/daemon/staleness.ts'
import type { ControlBackend } from '../../../src/http/routes/control-backend.ts'
import type { SimEvents } from '../sim-events.ts'
import type { ClusterInvariants } from './cluster-invariants.ts'

const SERVICES_MAX = 4
const REPLICAS_MAX = 5
/** More than fits into one log entry. */
const LARGE_BYTES = 24_000
/** What a daemon waits for its manager that is being started. */
const START_WAIT_MS = 5000

export interface SimClientOptions {
  readonly clock: Clock
  readonly random: Random
  readonly invariants: ClusterInvariants
  readonly events: SimEvents
  /** Share of configs that are large. */
  readonly largeRate: number
}

/**
 * Somebody who changes what the cluster is to do, through the daemon's own client of any manager, which asks again under the same id where the outcome is
 * unknown. What fails may have happened or not; what succeeds must last.
 */
export class SimClient {
  readonly #options: SimClientOptions
  readonly #staleness = new Staleness()
  #names = 0

  constructor(options: SimClientOptions) { this.#options = options }

  /** Makes one random request. Never rejects for what a cluster in trouble may answer. @param manager which is asked; it may be down */
  async ask(manager: RpcClient): Promise<void> {
    const { random } = this.#options
    const backend = this.#backend(manager)
    try {
      const dice = random.next()
      if (dice < 0.35) await this.#createConfig(backend)
      else if (dice < 0.45) await this.#readConfigs(backend)
      else if (dice < 0.93) await this.#changeServices(backend)
      else await this.#changeNode(backend)
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
    }
  }

  /** Makes one read of a cluster that is whole. Resolves with whether the answer was confirmed by a quorum; false if there was none. */
  async read(manager: RpcClient): Promise<boolean> {
    try {
      return await this.#readConfigs(this.#backend(manager))
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      return false
    }
  }

  #backend(manager: RpcClient): ControlBackend {
    const { clock, random } = this.#options
    return createControlBackend({
      manager: () => manager, failure: () => '', untilManagerAnswers: () => clock.sleep(START_WAIT_MS), staleness: this.#staleness, clock, random,
    })
  }

  async #createConfig(backend: ControlBackend): Promise<void> {
    const { random, invariants, events, largeRate } = this.#options
    const isLarge = largeRate > 0 && random.next() < largeRate
    const name = `config${++this.#names}`
    const spec = make('ConfigSpec', { annotations: { name }, data: isLarge ? new Uint8Array(LARGE_BYTES).fill(this.#names) : Uint8Array.of(1) })
    try {
      const { object } = await backend.create('config', spec)
      invariants.acknowledged(object.id)
      events.note(isLarge ? 'large change acknowledged' : 'change acknowledged')
    } catch (error) {
      // Nobody else uses this name: it was the request itself that took it, before it was asked again.
      if (hasCode(error, 'name-conflict')) invariants.violated('RetriesApplyOnce', `the creation of ${name} was made twice: ${(error as Error).message}`)
      throw error
    }
  }

  /** What comes without a mark of staleness holds all that was acknowledged before it was asked for. */
  async #readConfigs(backend: ControlBackend): Promise<boolean> {
    const { invariants, events } = this.#options
    const expected = invariants.acknowledgedIds
    const { signal } = new AbortController()
    const configs = await backend.list('config', {}, signal)
    if (this.#staleness.ofMs(signal) > 0) {
      events.note('read marked stale')
      return false
    }
    invariants.reads(expected, new Set(configs.map(({ id }) => id)))
    events.note('read confirmed')
    return true
  }

  async #changeServices(backend: ControlBackend): Promise<void> {
    const { random } = this.#options
    const dice = random.next()
    const replicas = randomInt(random, REPLICAS_MAX + 1)
    const services = await backend.list('service', {})
    const service = services[randomInt(random, services.length)]
    if (service === undefined || (services.length < SERVICES_MAX && dice < 0.3)) await backend.create('service', this.#createSpec(replicas))
    else if (dice < 0.4) await backend.remove('service', service.id)
    else if (dice < 0.7 && service.spec?.replicated !== undefined) await update(backend, service, { replicated: { replicas } })
    else await update(backend, service, { task: make('TaskSpec', { ...service.spec?.task, forceUpdate: (service.spec?.task?.forceUpdate ?? 0) + 1 }) })
  }

  /** Drains a worker, or lets it work again; half of them always may. */
  async #changeNode(backend: ControlBackend): Promise<void> {
    const nodes = await backend.list('node', {})
    const workers = nodes.filter(({ id, role }) => role === 'worker' && id.startsWith('a'))
    const node = workers[randomInt(this.#options.random, workers.length)]
    const drained = workers.filter(({ spec }) => spec?.availability === 'drain').length
    if (node?.spec === undefined) return
    const availability = node.spec.availability === 'drain' || drained >= workers.length / 2 ? 'active' : 'drain'
    await backend.update({ kind: 'node', id: node.id, version: node.meta?.version ?? 0, spec: { ...node.spec, availability } })
  }

  #createSpec(replicas: number): ServiceSpec {
    const { random } = this.#options
    const order = random.next() < 0.2 ? 'start-first' : 'stop-first'
    const mode = random.next() < 0.25 ? { global: {} } : { replicated: { replicas } }
    return make('ServiceSpec', {
      annotations: { name: `service${++this.#names}` }, task: { container: { image: 'image:1' }, restart: { condition: 'any', delayNs: 1e9 } }, ...mode,
      update: { parallelism: 2, order, failureAction: 'continue', monitorNs: 1e9 },
    })
  }
}

async function update(backend: ControlBackend, service: Service, change: Partial<ServiceSpec>): Promise<void> {
  await backend.update({ kind: 'service', id: service.id, version: service.meta?.version ?? 0, spec: { ...service.spec as ServiceSpec, ...change } })
}
