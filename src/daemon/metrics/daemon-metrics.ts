import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What the figures are read from when somebody asks. */
export interface MetricSources {
  readonly states: () => Promise<Readonly<Record<'running' | 'paused' | 'stopped', number>>>
  readonly cpuCount: number
  readonly memoryBytes: number
  /** Labels of engine_info, as dockerd has them. */
  readonly info: Readonly<Record<'architecture' | 'commit' | 'daemon_id' | 'graphdriver' | 'kernel' | 'os' | 'os_type' | 'os_version' | 'version', string>>
  readonly eventCount: () => number
  readonly eventSubscribers: () => number
}

/** How long the event loop may be asleep between two looks at its delay: the figures must not cost more than what they measure. */
const LOOP_PRECISION_MS = 1000

/** The daemon's figures for Prometheus, under the names of dockerd's; beside them those of this process and of Node. */
export class DaemonMetrics {
  readonly #registry = new Registry()
  readonly #containerActions = this.#histogram('container_actions_seconds', 'The number of seconds it takes to process each container action')
  readonly #imageActions = this.#histogram('image_actions_seconds', 'The number of seconds it takes to process each image action')
  readonly #networkActions = this.#histogram('network_actions_seconds', 'The number of seconds it takes to process each network action')
  readonly #healthChecks = this.#counter('health_checks_total', 'The total number of health checks')
  readonly #healthChecksFailed = this.#counter('health_checks_failed_total', 'The total number of failed health checks')

  constructor(sources: MetricSources) {
    const gauge = (name: string, help: string, labelNames: readonly string[], read: (gauge: Gauge) => void | Promise<void>): Gauge =>
      new Gauge({ name: `engine_daemon_${name}`, help, labelNames: [...labelNames], registers: [this.#registry], collect() { return read(this) } })
    gauge('container_states_containers', 'The count of containers in various states', ['state'], async metric => {
      for (const [state, count] of Object.entries(await sources.states())) metric.set({ state }, count)
    })
    gauge('engine_cpus_cpus', 'The number of cpus that the host system of the engine has', [], metric => metric.set(sources.cpuCount))
    gauge('engine_memory_bytes', 'The number of bytes of memory that the host system of the engine has', [], metric => metric.set(sources.memoryBytes))
    gauge('engine_info', 'The information related to the engine and the OS it is running on', Object.keys(sources.info), metric => metric.set(sources.info, 1))
    gauge('events_subscribers_total', 'The number of current subscribers to events', [], metric => metric.set(sources.eventSubscribers()))
    let counted = 0
    new Counter({
      name: 'engine_daemon_events_total', help: 'The number of events logged', registers: [this.#registry],
      collect() {
        const now = sources.eventCount()
        this.inc(now - counted)
        counted = now
      },
    })
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LOOP_PRECISION_MS })
  }

  get contentType(): string { return this.#registry.contentType }
  /** All figures in Prometheus's text format. */
  text(): Promise<string> { return this.#registry.metrics() }

  healthCheck(failed: boolean): void {
    this.#healthChecks.inc()
    if (failed) this.#healthChecksFailed.inc()
  }

  /** `containers` with the time of these actions measured: by method, the name dockerd has for it. */
  timedContainers<T extends object>(containers: T): T {
    return timed(containers, { create: 'create', start: 'start', remove: 'delete', changes: 'changes' }, this.#containerActions)
  }

  timedImages<T extends object>(images: T): T { return timed(images, { list: 'list', remove: 'delete', commit: 'commit', tag: 'tag' }, this.#imageActions) }
  timedNetworks<T extends object>(networks: T): T { return timed(networks, { create: 'create', remove: 'remove', connect: 'connect', disconnect: 'disconnect' }, this.#networkActions) }

  #histogram(name: string, help: string): Histogram { return new Histogram({ name: `engine_daemon_${name}`, help, labelNames: ['action'], registers: [this.#registry] }) }
  #counter(name: string, help: string): Counter { return new Counter({ name: `engine_daemon_${name}`, help, registers: [this.#registry] }) }
}

/** The same object, but that some methods tell how long they take when they succeed. */
function timed<T extends object>(target: T, actions: Readonly<Record<string, string>>, histogram: Histogram): T {
  return new Proxy(target, {
    get(object, key) {
      const value = Reflect.get(object, key) as unknown
      if (typeof value !== 'function') return value
      const method = value.bind(object) as (...args: unknown[]) => unknown
      const action = typeof key === 'string' ? actions[key] : undefined
      if (action === undefined) return method
      return async (...args: unknown[]) => {
        const done = histogram.startTimer({ action })
        const result = await method(...args)
        done()
        return result
      }
    },
  })
}
