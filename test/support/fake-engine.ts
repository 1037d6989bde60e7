import { Readable } from 'node:stream'
import type { ContainerInspectResponse, EventMessage, PortBinding } from '../../src/api/engine/engine-json.ts'
import type { OverlayTable } from '../../src/api/engine/overlay.ts'
import { Channel } from '../../src/base/channel.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { CreateContainerRequest, Engine } from '../../agent/engine/engine.ts'

export interface FakeContainer {
  readonly id: string
  readonly request: CreateContainerRequest
  status: 'created' | 'running' | 'exited'
  exitCode: number
  error: string
  health: 'starting' | 'healthy' | 'unhealthy' | undefined
  readonly ended: (() => void)[]
}

/** The part of an Engine that the executor uses, in memory; a test moves its containers along. */
export class FakeEngine {
  readonly byName = new Map<string, FakeContainer>()
  readonly imageNames = new Set<string>()
  readonly revisions = new Map<string, number>()
  readonly calls: string[] = []
  readonly #listeners = new Set<Channel<EventMessage>>()
  failOverlay = false
  logText: readonly Uint8Array[] = []
  ports: Record<string, PortBinding[]> = {}

  get engine(): Engine {
    return { containers: this.#containers(), images: this.#images(), networks: this.#networks(), events: { subscribe: (signal: AbortSignal) => this.#subscribe(signal), recent: () => [] } } as unknown as Engine
  }

  container(name: string): FakeContainer {
    const found = this.byName.get(name) ?? [...this.byName.values()].find(each => each.id === name)
    if (found === undefined) throw new ShoalError('not-found', 'no-such-container', `No such container: ${name}`)
    return found
  }

  exit(name: string, exitCode: number): void {
    const container = this.container(name)
    container.status = 'exited'
    container.exitCode = exitCode
    for (const done of container.ended.splice(0)) done()
    this.#publish(container.id, 'die')
  }

  setHealth(name: string, health: 'healthy' | 'unhealthy'): void {
    const container = this.container(name)
    container.health = health
    this.#publish(container.id, `health_status: ${health}`)
  }

  #publish(id: string, action: string): void {
    for (const listener of this.#listeners) listener.push({ Type: 'container', Action: action, Actor: { ID: id } })
  }

  async *#subscribe(signal: AbortSignal): AsyncIterable<EventMessage> {
    const channel = new Channel<EventMessage>(100)
    this.#listeners.add(channel)
    signal.addEventListener('abort', () => channel.fail(signal.reason), { once: true })
    yield* channel
  }

  #containers(): object {
    return {
      create: async (request: CreateContainerRequest) => {
        const name = request.name ?? ''
        if (!this.imageNames.has(request.config.Image ?? '')) throw new ShoalError('not-found', 'no-such-image', `No such image: ${request.config.Image}`)
        if (this.byName.has(name)) throw new ShoalError('conflict', 'name-in-use', `name ${name} is in use`)
        this.byName.set(name, { id: `id-${name}`, request, status: 'created', exitCode: 0, error: '', health: request.config.Healthcheck ? 'starting' : undefined, ended: [] })
        return { Id: `id-${name}`, Warnings: [] }
      },
      start: async (ref: string) => { this.calls.push(`start ${ref}`); this.container(ref).status = 'running' },
      stop: async (ref: string, { timeoutSeconds }: { timeoutSeconds: number }) => {
        this.calls.push(`stop ${ref} ${timeoutSeconds}`)
        if (this.container(ref).status !== 'running') throw new ShoalError('not-modified', 'already-stopped', 'stopped')
        this.exit([...this.byName].find(([, each]) => each.id === ref)?.[0] ?? ref, 137)
      },
      remove: async (ref: string, options: object) => {
        this.calls.push(`remove ${ref} ${JSON.stringify(options)}`)
        for (const [name, each] of this.byName) if (each.id === ref) this.byName.delete(name)
      },
      inspect: async (ref: string): Promise<ContainerInspectResponse> => {
        const { id, request, status, exitCode, error, health } = this.container(ref)
        return {
          Id: id, Config: request.config, NetworkSettings: { Ports: this.ports },
          State: {
            Status: status, Running: status === 'running', Pid: status === 'running' ? 42 : 0, ExitCode: exitCode, Error: error,
            StartedAt: status === 'created' ? '0001-01-01T00:00:00Z' : '2026-01-01T00:00:00Z', ...(health === undefined ? {} : { Health: { Status: health } }),
          },
        }
      },
      wait: async (ref: string, _condition: string, signal: AbortSignal) => {
        const container = this.container(ref)
        return {
          result: new Promise((resolve, reject) => {
            if (container.status !== 'running') resolve({ StatusCode: container.exitCode })
            container.ended.push(() => resolve({ StatusCode: container.exitCode }))
            signal.addEventListener('abort', () => reject(signal.reason), { once: true })
          }),
        }
      },
      logs: async (ref: string, options: object) => {
        this.calls.push(`logs ${ref} ${JSON.stringify(options)}`)
        return { tty: this.container(ref).request.config.Tty === true, stream: Readable.from(this.logText) }
      },
    }
  }

  #images(): object {
    return {
      inspect: async (ref: string) => {
        if (!this.imageNames.has(ref)) throw new ShoalError('not-found', 'no-such-image', `No such image: ${ref}`)
        return { Id: ref }
      },
    }
  }

  #networks(): object {
    return {
      applyOverlay: async (table: OverlayTable) => {
        if (this.failOverlay) throw new ShoalError('internal', 'vxlan-failed', 'no vxlan')
        this.revisions.set(table.networkId, table.revision)
      },
      removeOverlay: async (networkId: string) => {
        if ([...this.byName.values()].some(each => each.request.hostConfig?.NetworkMode === networkId)) throw new ShoalError('conflict', 'network-in-use', 'in use')
        this.revisions.delete(networkId)
      },
      overlayRevisions: () => this.revisions,
    }
  }
}
