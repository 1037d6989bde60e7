import type { AttachOptions, LogOptions } from '../../src/api/engine/engine-calls.ts'
import { Duplex, PassThrough, Readable } from 'node:stream'
import type { ContainerConfig, ContainerInspectResponse, ContainerSummary, ContainerWaitResponse } from '../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { ContainersBackend } from '../../src/http/routes/containers.ts'
import type { Attachment, ContainerStreamsBackend } from '../../src/http/routes/container-streams.ts'

interface Fake {
  readonly id: string
  readonly name: string
  readonly config: ContainerConfig
  readonly autoRemove: boolean
  readonly log: Buffer[]
  readonly outputs: PassThrough[]
  readonly inputs: PassThrough[]
  readonly waiters: ((result: ContainerWaitResponse) => void)[]
  state: 'created' | 'running' | 'exited'
  exitCode: number
}

/** One frame of Docker's multiplexed output. */
export function frame(stream: 1 | 2, text: string): Buffer {
  const head = Buffer.alloc(8)
  head[0] = stream
  head.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([head, Buffer.from(text)])
}

/** Containers that run nothing: `echo` prints its arguments, `cat` its input, `exit N` fails, everything else runs until stopped. */
export class FakeContainers implements ContainersBackend, ContainerStreamsBackend {
  readonly calls: string[] = []
  readonly #fakes = new Map<string, Fake>()

  async create(request: Parameters<ContainersBackend['create']>[0]): Promise<{ Id: string; Warnings: string[] }> {
    if (request.config.Image === 'missing') throw new ShoalError('not-found', 'no-such-image', 'No such image: missing:latest')
    if (request.hostConfig?.NetworkMode === 'missing') throw new ShoalError('not-found', 'no-such-network', 'network missing not found')
    const id = (this.#fakes.size + 1).toString(16).padStart(2, '0').repeat(32)
    this.#fakes.set(id, {
      id, name: request.name ?? `fake_${this.#fakes.size + 1}`, config: request.config, autoRemove: request.hostConfig?.AutoRemove === true,
      log: [], outputs: [], inputs: [], waiters: [], state: 'created', exitCode: 0,
    })
    return { Id: id, Warnings: [] }
  }

  async start(ref: string): Promise<void> {
    const fake = this.#find(ref)
    if (fake.state === 'running') throw new ShoalError('not-modified', 'already-started', 'container already started')
    fake.state = 'running'
    const [command, ...args] = fake.config.Cmd ?? []
    if (command === 'echo') {
      this.#print(fake, 1, `${args.join(' ')}\n`)
      this.#exit(fake, 0)
    } else if (command === 'exit') {
      this.#print(fake, 2, 'failing\n')
      this.#exit(fake, Number(args[0]))
    } else if (command === 'cat') {
      for (const input of fake.inputs.splice(0)) this.#copy(fake, input)
    }
  }

  async stop(ref: string): Promise<void> { this.#exit(this.#find(ref), 137) }
  async restart(ref: string): Promise<void> {
    await this.stop(ref)
    await this.start(ref)
  }
  async kill(ref: string, signal?: string): Promise<void> {
    this.calls.push(`kill ${signal}`)
    this.#exit(this.#find(ref), 137)
  }
  async pause(ref: string): Promise<void> { this.#find(ref) }
  async unpause(ref: string): Promise<void> { this.#find(ref) }
  async rename(ref: string, name: string): Promise<void> {
    const fake = this.#find(ref)
    this.#fakes.set(fake.id, { ...fake, name })
  }
  async resize(ref: string, size: { height: number; width: number }): Promise<void> {
    this.#find(ref)
    this.calls.push(`resize ${size.height}x${size.width}`)
  }
  async remove(ref: string): Promise<void> { this.#fakes.delete(this.#find(ref).id) }

  async inspect(ref: string): Promise<ContainerInspectResponse> {
    const fake = this.#find(ref)
    return {
      Id: fake.id, Name: `/${fake.name}`, Created: '2026-01-01T00:00:00.000000000Z', Config: fake.config, HostConfig: { NetworkMode: 'default' }, Mounts: [],
      State: { Status: fake.state, Running: fake.state === 'running', ExitCode: fake.exitCode, StartedAt: '2026-01-01T00:00:00Z', FinishedAt: '0001-01-01T00:00:00Z' },
      NetworkSettings: { Networks: {} },
    }
  }

  async list({ all = false }: { readonly all?: boolean }): Promise<readonly ContainerSummary[]> {
    return [...this.#fakes.values()].filter(fake => all || fake.state === 'running').map(fake => ({
      Id: fake.id, Names: [`/${fake.name}`], Image: fake.config.Image ?? '', Command: (fake.config.Cmd ?? []).join(' '), Created: 1_767_225_600,
      State: fake.state, Status: fake.state === 'running' ? 'Up 2 minutes' : 'Exited (0) 1 second ago', Ports: [], Labels: {},
    }))
  }

  async wait(ref: string, condition: string): Promise<{ readonly result: Promise<ContainerWaitResponse> }> {
    const fake = this.#find(ref)
    if (condition === 'not-running' && fake.state === 'exited') return { result: Promise.resolve({ StatusCode: fake.exitCode }) }
    return { result: new Promise(resolve => { fake.waiters.push(resolve) }) }
  }

  async top(ref: string): Promise<{ Titles: string[]; Processes: string[][] }> {
    this.#find(ref)
    return { Titles: ['PID', 'CMD'], Processes: [['1', 'init']] }
  }

  async *stats(ref: string, options: { readonly stream: boolean }, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>> {
    const { id, name } = this.#find(ref)
    yield { id, name: `/${name}`, read: '2026-01-01T00:00:00Z', preread: '0001-01-01T00:00:00Z', cpu_stats: {}, precpu_stats: {}, memory_stats: { usage: 1048576, limit: 4194304 }, pids_stats: { current: 3 } }
    if (options.stream) await new Promise<void>(resolve => signal?.addEventListener('abort', () => resolve(), { once: true }))
  }

  async prune(): Promise<{ ContainersDeleted: string[]; SpaceReclaimed: number }> {
    const gone = [...this.#fakes.values()].filter(fake => fake.state !== 'running').map(fake => fake.id)
    for (const id of gone) this.#fakes.delete(id)
    return { ContainersDeleted: gone, SpaceReclaimed: 0 }
  }

  async logs(ref: string, options: LogOptions): Promise<{ readonly tty: boolean; readonly stream: Readable }> {
    const fake = this.#find(ref)
    if (options.follow !== true || fake.state !== 'running') return { tty: fake.config.Tty === true, stream: Readable.from(fake.log) }
    const stream = new PassThrough()
    for (const chunk of fake.log) stream.write(chunk)
    fake.outputs.push(stream)
    return { tty: fake.config.Tty === true, stream }
  }

  async attach(ref: string, options: AttachOptions): Promise<Attachment> {
    const fake = this.#find(ref)
    const output = new PassThrough()
    fake.outputs.push(output)
    const input = new PassThrough()
    if (options.stdin && fake.config.Cmd?.[0] === 'cat') {
      if (fake.state === 'running') this.#copy(fake, input)
      else fake.inputs.push(input)
    }
    return { tty: fake.config.Tty === true, stream: Duplex.from({ readable: output, writable: input }) }
  }

  /** What the container's process writes. */
  print(ref: string, text: string): void { this.#print(this.#find(ref), 1, text) }

  #find(ref: string): Fake {
    const name = ref.replace(/^\//, '')
    const found = [...this.#fakes.values()].find(fake => fake.id === name || fake.name === name || (name.length > 3 && fake.id.startsWith(name)))
    if (found === undefined) throw new ShoalError('not-found', 'no-such-container', `No such container: ${ref}`)
    return found
  }

  #copy(fake: Fake, input: PassThrough): void {
    input.on('data', (chunk: Buffer) => this.#print(fake, 1, chunk.toString()))
    input.on('end', () => this.#exit(fake, 0))
  }

  #print(fake: Fake, stream: 1 | 2, text: string): void {
    const chunk = fake.config.Tty === true ? Buffer.from(text) : frame(stream, text)
    fake.log.push(chunk)
    for (const output of fake.outputs) output.write(chunk)
  }

  #exit(fake: Fake, exitCode: number): void {
    fake.state = 'exited'
    fake.exitCode = exitCode
    for (const output of fake.outputs.splice(0)) output.end()
    for (const done of fake.waiters.splice(0)) done({ StatusCode: exitCode })
    if (fake.autoRemove) this.#fakes.delete(fake.id)
  }
}
