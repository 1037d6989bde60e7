import { randomInt, type Random } from '../../../src/base/random.ts'
import { NoAnswer, Refused, type EngineClient, type Json } from '../../support/engine-client.ts'
import { archive, contextToBuild } from './image-contexts.ts'
import { afterRestart, differences, KILLED_CODE, RETRIES, SLEEPER_CODE, type Known, type Seen } from './model.ts'

const MEBIBYTE = 2 ** 20
const CONTAINERS_MAX = 5
const THINGS_MAX = 3
const IMAGES_MAX = 5
const SLEEPER = ['sh', '-c', `trap "exit ${SLEEPER_CODE}" TERM; while :; do sleep 100 & wait; done`]
const POLICIES = ['no', 'no', 'always', 'unless-stopped'] as const

interface InspectJson {
  readonly Id: string; readonly Name: string; readonly RestartCount: number
  readonly State: { readonly Status: string; readonly ExitCode: number; readonly Pid: number }
  readonly HostConfig: { readonly Memory: number }
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> }
}

/** One user of the daemon, with objects of its own: does one thing after another, and knows what was acknowledged. */
export class Worker {
  readonly #api: EngineClient
  readonly #random: Random
  readonly #prefix: string
  readonly #sources: readonly string[]
  readonly #containers: Known[] = []
  readonly #names: Readonly<Record<'networks' | 'volumes' | 'images', Set<string>>> = { networks: new Set(), volumes: new Set(), images: new Set() }
  /** What was cut off: what of it may be so now. */
  #unsure: (() => Promise<readonly string[]>) | undefined
  /** A pull or build that was cut off: the next one must succeed. */
  #again: readonly [string, () => Promise<void>] | undefined
  /** Images that can tell whether they are whole; and those of them that came since they were last asked. */
  readonly #telling = new Set<string>()
  readonly #unasked = new Set<string>()
  #next = 0
  /** How often each operation was acknowledged, and cut off. */
  readonly done = new Map<string, number>()
  readonly cut = new Map<string, number>()
  /** What was done with containers, for whoever looks for the cause of something: operation, name, id. */
  readonly trace: string[] = []

  /** @param sources images in a registry, with the prefix in their names, that only this one pulls */
  constructor(api: EngineClient, random: Random, prefix: string, sources: readonly string[]) {
    this.#api = api
    this.#random = random
    this.#prefix = prefix
    this.#sources = sources
  }

  /** Works until the daemon is gone. @throws Refused, when the daemon refuses what must be possible */
  async work(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const again = this.#again
      const [name, operation] = again ?? this.#choose()
      this.#again = undefined
      try {
        await operation()
        this.done.set(name, (this.done.get(name) ?? 0) + 1)
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw new Error(`${this.#prefix} ${name}: ${String(error)}`, { cause: error })
        this.cut.set(name, (this.cut.get(name) ?? 0) + 1)
        this.trace.push(`... ${name} was cut off`)
        // Not for ever: there is more to do.
        if (again === undefined && (name === 'pull' || name === 'build')) this.#again = [name, operation]
        return
      }
    }
  }

  /** After a start of the daemon: compares with what was acknowledged, and takes as known what was unsure. @returns what is wrong */
  async check(): Promise<readonly string[]> {
    const wrong: string[] = []
    for (const known of [...this.#containers]) {
      const now = afterRestart(known)
      if (now === undefined) this.#forget(known)
      else Object.assign(known, now)
    }
    if (this.#unsure !== undefined) wrong.push(...await this.#unsure())
    this.#unsure = undefined
    this.trace.push(`--- checked: ${this.#containers.map(({ name, state, networks }) => `${name} ${state} ${networks.join()}`).join('; ')}`)
    for (const known of [...this.#containers]) wrong.push(...(await this.#compare(known)).map(text => `${known.name} (${known.kind}, ${known.policy}${known.autoRemove ? ', --rm' : ''}): ${text}`))
    const there = { networks: await this.#networks(), volumes: await this.#volumes(), images: await this.#images() }
    for (const kind of ['networks', 'volumes', 'images'] as const) {
      for (const name of this.#names[kind]) if (!there[kind].has(name)) wrong.push(`${name} of the ${kind} is not there`)
      for (const name of there[kind]) if (!this.#names[kind].has(name)) wrong.push(`${name} of the ${kind} is there`)
    }
    for (const image of [...this.#unasked]) wrong.push(...await this.#askWhole(image))
    return wrong
  }

  async removeAll(): Promise<void> {
    const mine = await this.#api.get<readonly { readonly Id: string }[]>(`/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify({ label: [this.#prefix] }))}`)
    for (const { Id } of mine) await this.#api.delete(`/containers/${Id}?force=1&v=1`)
    for (const name of this.#names.networks) await this.#api.delete(`/networks/${name}`)
    for (const name of this.#names.volumes) await this.#api.delete(`/volumes/${name}`)
    for (const name of this.#names.images) await this.#api.delete(`/images/${name}`)
  }

  #choose(): readonly [string, () => Promise<void>] {
    const sleepers = this.#containers.filter(({ kind }) => kind === 'sleeper')
    const running = sleepers.filter(({ state }) => state === 'running')
    const stopped = this.#containers.filter(({ state, kind }) => state === 'created' || (kind === 'sleeper' && state === 'ended'))
    const { networks, volumes, images } = this.#names
    const options: (readonly [string, number, () => Promise<void>])[] = [['create', this.#containers.length < CONTAINERS_MAX ? 5 : 0, () => this.#create()]]
    const add = (name: string, weight: number, from: readonly Known[], operation: (known: Known) => Promise<void>): void => {
      const known = from[randomInt(this.#random, Math.max(1, from.length))]
      if (known !== undefined) options.push([name, weight, () => { this.trace.push(`${name} ${known.name} ${known.id}`); return operation(known) }])
    }
    add('start', 6, stopped, known => this.#start(known))
    add('stop', 2, running, known => this.#end(known, 'stop', SLEEPER_CODE))
    add('kill', 1, running, known => this.#end(known, 'kill', KILLED_CODE))
    add('exec', 3, running, known => this.#exec(known))
    add('rm', 3, this.#containers, known => this.#remove(known))
    add('rename', 1, sleepers, known => this.#change(known, { name: this.#name('c') }, next => `/containers/${known.id}/rename?name=${next.name}`))
    add('update', 1, sleepers, known => this.#change(known, { memory: (16 + randomInt(this.#random, 16)) * MEBIBYTE }, () => `/containers/${known.id}/update`, next => ({ Memory: next.memory, MemorySwap: next.memory * 2 })))
    add('cp', 1, running, known => this.#copy(known))
    add('commit', 1, images.size < IMAGES_MAX ? sleepers : [], known => this.#thing('images', `${this.#name('i')}:latest`, true, name => this.#api.post(`/commit?container=${known.id}&repo=${name.split(':')[0]}&tag=latest`)))
    for (const network of networks) {
      add('connect', 1, running.filter(known => !known.networks.includes(network) && !known.networks.includes('none')), known => this.#change(known, { networks: [...known.networks, network].sort() }, () => `/networks/${network}/connect`, () => ({ Container: known.id })))
      add('disconnect', 1, running.filter(known => known.networks.includes(network)), known => this.#change(known, { networks: known.networks.filter(name => name !== network) }, () => `/networks/${network}/disconnect`, () => ({ Container: known.id })))
      if (!this.#containers.some(known => known.networks.includes(network))) options.push(['network rm', 1, () => this.#thing('networks', network, false, () => this.#api.delete(`/networks/${network}`))])
    }
    if (networks.size < THINGS_MAX) options.push(['network create', 1, () => this.#thing('networks', this.#name('n'), true, Name => this.#api.post('/networks/create', { Name }))])
    if (volumes.size < THINGS_MAX) options.push(['volume create', 1, () => this.#thing('volumes', this.#name('v'), true, Name => this.#api.post('/volumes/create', { Name }))])
    for (const volume of volumes) options.push(['volume rm', 1, () => this.#thing('volumes', volume, false, () => this.#api.delete(`/volumes/${volume}`))])
    if (images.size < IMAGES_MAX) options.push(['import', 1, () => this.#thing('images', `${this.#name('i')}:latest`, true, async name => this.#api.call('POST', `/images/create?fromSrc=-&repo=${name.split(':')[0]}&tag=latest`, await archive({ [name.replace(':', '-')]: name })))])
    const source = this.#sources[randomInt(this.#random, this.#sources.length)]
    if (source !== undefined) options.push(['pull', 3, () => this.#pull(source)])
    if (images.size < IMAGES_MAX) {
      const name = `${this.#name('b')}:latest`
      options.push(['build', 2, () => this.#build(name)])
    }
    options.push(['image prune', 0.3, async () => { await this.#api.post('/images/prune') }])
    for (const image of images) {
      options.push(['rmi', 1, () => this.#thing('images', image, false, () => this.#api.delete(`/images/${image}`))])
      options.push(['save, rmi, load', 1, async () => {
        const { body } = await this.#api.call('GET', `/images/${image}/get`)
        await this.#thing('images', image, false, () => this.#api.delete(`/images/${image}`))
        await this.#thing('images', image, true, () => this.#api.call('POST', '/images/load', body))
      }])
    }
    options.push(['prune', 0.5, () => this.#prune()])
    let at = this.#random.next() * options.reduce((sum, [, weight]) => sum + weight, 0)
    const [name, , operation] = options.find(([, weight]) => (at -= weight) < 0) ?? options[0] ?? ['nothing', 0, async () => undefined]
    return [name, operation]
  }

  async #create(): Promise<void> {
    const quick = this.#random.next() < 0.4
    const policy = quick ? (this.#random.next() < 0.5 ? 'on-failure' : 'no') : POLICIES[randomInt(this.#random, POLICIES.length)] ?? 'no'
    const autoRemove = policy === 'no' && this.#random.next() < 0.3
    const code = quick ? 1 + randomInt(this.#random, 90) : SLEEPER_CODE
    const mode = ['bridge', 'none', 'bridge', ...this.#names.networks][randomInt(this.#random, 3 + this.#names.networks.size)] ?? 'none'
    const known: Known = { id: '', name: this.#name('c'), kind: quick ? 'quick' : 'sleeper', policy, autoRemove, code, state: 'created', exitCode: 0, pid: undefined, memory: 64 * MEBIBYTE, networks: [mode], files: new Map() }
    this.#unsure = () => this.#eitherOf([known, undefined], known.name)
    const { Id } = await this.#api.post<{ Id: string }>(`/containers/create?name=${known.name}`, {
      Image: 'busybox', Cmd: quick ? ['sh', '-c', `sleep 0.${1 + randomInt(this.#random, 9)}; exit ${code}`] : SLEEPER, Labels: { [this.#prefix]: '' }, ...(this.#random.next() < 0.3 ? { Volumes: { '/anonymous': {} } } : {}),
      ExposedPorts: { '80/tcp': {} },
      HostConfig: {
        NetworkMode: mode, Memory: known.memory, MemorySwap: known.memory * 2, AutoRemove: autoRemove, RestartPolicy: { Name: policy, MaximumRetryCount: policy === 'on-failure' ? RETRIES : 0 },
        ...(mode !== 'none' && this.#random.next() < 0.3 ? { PublishAllPorts: true } : {}),
      },
    })
    known.id = Id
    this.trace.push(`create ${known.name} ${Id} ${known.kind} ${known.policy} ${known.autoRemove ? '--rm' : ''} ${mode}`)
    this.#containers.push(known)
    this.#unsure = undefined
  }

  async #start(known: Known): Promise<void> {
    // Nobody knows how far a quick one came whose start was cut off: not begun, running, or at its end.
    const running: Known = { ...known, state: 'running', pid: undefined }
    this.#unsure = () => this.#eitherOf([known, running], known.id)
    await this.#api.post(`/containers/${known.id}/start`)
    Object.assign(known, running)
    this.#unsure = undefined
    if (known.kind === 'sleeper') known.pid = (await this.#inspect(known.id))?.pid
  }

  async #end(known: Known, how: 'stop' | 'kill', exitCode: number): Promise<void> {
    const ended: Known = { ...known, state: 'ended', exitCode, pid: undefined }
    this.#unsure = () => this.#doomed(known, [known, ended])
    await this.#api.post(`/containers/${known.id}/${how}`)
    if (known.autoRemove) this.#forget(known)
    else Object.assign(known, ended)
    this.#unsure = undefined
  }

  async #exec(known: Known): Promise<void> {
    const { Id } = await this.#api.post<{ Id: string }>(`/containers/${known.id}/exec`, { Cmd: ['sh', '-c', 'echo hello; exit 5'], AttachStdout: true })
    const { body } = await this.#api.call('POST', `/exec/${Id}/start`, { Detach: false, Tty: false })
    const { ExitCode } = await this.#api.get<{ ExitCode: number }>(`/exec/${Id}/json`)
    if (!body.includes('hello') || ExitCode !== 5) throw new Error(`an exec said ${JSON.stringify(body.toString())} and ended with ${ExitCode}`)
  }

  async #remove(known: Known): Promise<void> {
    this.#unsure = () => this.#doomed(known, [known, undefined, ...(known.state === 'running' ? [{ ...known, state: 'ended' as const, exitCode: KILLED_CODE, pid: undefined }] : [])])
    await this.#api.delete(`/containers/${known.id}?force=1&v=1`).catch((error: unknown) => {
      // A quick one under --rm may have gone by itself.
      if (!(error instanceof Refused && known.autoRemove && known.kind === 'quick')) throw error
    })
    this.#forget(known)
    this.#unsure = undefined
  }

  /** A change that is there as a whole or not at all. */
  async #change(known: Known, change: Partial<Known>, path: (next: Known) => string, body: (next: Known) => unknown = () => undefined): Promise<void> {
    const next = { ...known, ...change }
    this.#unsure = () => this.#eitherOf([known, next], known.id)
    await this.#api.post(path(next), body(next))
    Object.assign(known, change)
    this.#unsure = undefined
  }

  async #copy(known: Known): Promise<void> {
    const name = this.#name('f')
    const contents = name.repeat(10 + randomInt(this.#random, 500))
    await this.#api.call('PUT', `/containers/${known.id}/archive?path=/tmp`, await archive({ [name]: contents }))
    known.files.set(name, contents.length)
  }

  async #prune(): Promise<void> {
    const removable = this.#containers.filter(({ state }) => state !== 'running')
    // A quick one may have come to its end by now.
    const perhaps = this.#containers.filter(({ state, kind }) => state !== 'running' || kind === 'quick')
    this.#unsure = async () => (await Promise.all(perhaps.map(known => this.#eitherOf([known, undefined], known.id)))).flat()
    const { ContainersDeleted } = await this.#api.post<{ ContainersDeleted: readonly string[] | null }>(`/containers/prune?filters=${encodeURIComponent(JSON.stringify({ label: [this.#prefix] }))}`)
    // Quick ones may have ended and gone as well.
    for (const known of [...this.#containers]) if (ContainersDeleted?.includes(known.id) === true) this.#forget(known)
    this.#unsure = undefined
    const left = removable.filter(known => this.#containers.includes(known))
    if (left.length > 0) throw new Error(`prune left ${left.map(({ name }) => name).join()}`)
  }

  #pull(image: string): Promise<void> {
    this.#telling.add(image)
    // One that was there stays there, whatever becomes of the request.
    const wasThere = this.#names.images.has(image)
    return this.#thing('images', image, true, () => this.#api.progress(`/images/create?fromImage=${encodeURIComponent(image)}`), wasThere)
  }

  #build(image: string): Promise<void> {
    this.#telling.add(image)
    return this.#thing('images', image, true, async () => this.#api.progress(`/build?t=${image}&rm=1`, await contextToBuild(image)))
  }

  /** Runs a container of it. @returns what is wrong */
  async #askWhole(image: string): Promise<readonly string[]> {
    this.#unasked.delete(image)
    const { Id } = await this.#api.post<{ Id: string }>('/containers/create', { Image: image, Labels: { [this.#prefix]: '' }, HostConfig: { NetworkMode: 'none' } })
    await this.#api.post(`/containers/${Id}/start`)
    const { StatusCode } = await this.#api.post<{ StatusCode: number }>(`/containers/${Id}/wait`)
    const { body } = await this.#api.call('GET', `/containers/${Id}/logs?stdout=1&stderr=1`)
    await this.#api.delete(`/containers/${Id}`)
    return StatusCode === 0 ? [] : [`${image} is not whole: ${StatusCode} ${body.toString()}`]
  }

  /** Something that is there or not. */
  async #thing(kind: 'networks' | 'volumes' | 'images', name: string, comes: boolean, request: (name: string) => Promise<unknown>, mustBeThere = false): Promise<void> {
    const settle = (isThere: boolean): void => {
      if (isThere) this.#names[kind].add(name)
      else this.#names[kind].delete(name)
      if (isThere && this.#telling.has(name)) this.#unasked.add(name)
      else this.#unasked.delete(name)
    }
    this.#unsure = async () => {
      const there = kind === 'networks' ? await this.#networks() : kind === 'volumes' ? await this.#volumes() : await this.#images()
      settle(there.has(name))
      return mustBeThere && !there.has(name) ? [`${name} of the ${kind} is gone, though nobody asked for that`] : []
    }
    await request(name)
    settle(comes)
    this.#unsure = undefined
  }

  /** Takes as known whichever of these is so. @returns what is wrong if none is */
  async #eitherOf(candidates: readonly (Known | undefined)[], ref: string): Promise<readonly string[]> {
    const [known] = candidates
    const seen = await this.#inspect(ref)
    const possible = candidates.map(candidate => candidate === undefined ? undefined : afterRestart(candidate))
    if (seen === undefined) {
      if (known !== undefined) this.#forget(known)
      return possible.includes(undefined) || (known?.autoRemove === true && known.kind === 'quick') ? [] : [`${ref} is gone, though nobody asked for that`]
    }
    for (const candidate of possible) {
      if (candidate === undefined) continue
      const wanted = { ...candidate, id: candidate.id === '' ? seen.id : candidate.id }
      if (differences(wanted, seen).length > 0) continue
      if (known !== undefined && !this.#containers.includes(known)) this.#containers.push(known)
      if (known !== undefined) Object.assign(known, wanted)
      return []
    }
    return [`${ref} is neither: ${possible.map(candidate => candidate === undefined ? 'it is there' : differences(candidate, seen).join('; ')).join(' | ')}`]
  }

  /** One that was told to end: if it is still there, it may go at any moment, so it is removed. */
  async #doomed(known: Known, candidates: readonly (Known | undefined)[]): Promise<readonly string[]> {
    const wrong = await this.#eitherOf(candidates, known.id)
    if (this.#containers.includes(known)) await this.#api.delete(`/containers/${known.id}?force=1&v=1`).catch((error: unknown) => { if (!(error instanceof Refused && known.autoRemove)) throw error })
    this.#forget(known)
    return wrong
  }

  async #compare(known: Known): Promise<readonly string[]> {
    const seen = await this.#inspect(known.id)
    if (seen === undefined) {
      this.#forget(known)
      return known.autoRemove && known.kind === 'quick' ? [] : ['it is gone']
    }
    const wrong = [...differences(known, seen)]
    if (known.state === 'running' && known.kind === 'sleeper') known.pid ??= seen.pid
    for (const [name, size] of known.files) {
      const reply = await this.#api.call('GET', `/containers/${known.id}/archive?path=/tmp/${name}`).catch((error: unknown) => { wrong.push(`a file copied into it: ${String(error)}`); return undefined })
      if (reply !== undefined && reply.body.length < size) wrong.push(`a file copied into it has lost bytes`)
    }
    if (known.state === 'running' && known.kind === 'sleeper' && wrong.length === 0 && this.#random.next() < 0.2) await this.#exec(known)
    return wrong
  }

  async #inspect(ref: string): Promise<Seen | undefined> {
    try {
      const { Id, Name, State, HostConfig, NetworkSettings, RestartCount } = await this.#api.get<InspectJson>(`/containers/${ref}/json`)
      return { id: Id, name: Name.slice(1), status: State.Status, exitCode: State.ExitCode, pid: State.Pid, memory: HostConfig.Memory, networks: Object.keys(NetworkSettings.Networks).sort(), restartCount: RestartCount }
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return undefined
      throw error
    }
  }

  #mine(names: readonly string[]): ReadonlySet<string> { return new Set(names.filter(name => name.slice(name.lastIndexOf('/') + 1).startsWith(`${this.#prefix}-`))) }
  async #networks(): Promise<ReadonlySet<string>> { return this.#mine((await this.#api.get<readonly Json[]>('/networks')).map(network => String(network['Name']))) }
  async #volumes(): Promise<ReadonlySet<string>> { return this.#mine(((await this.#api.get<{ readonly Volumes: readonly Json[] | null }>('/volumes')).Volumes ?? []).map(volume => String(volume['Name']))) }
  async #images(): Promise<ReadonlySet<string>> { return this.#mine((await this.#api.get<readonly { readonly RepoTags: readonly string[] | null }[]>('/images/json')).flatMap(({ RepoTags }) => RepoTags ?? [])) }
  #forget(known: Known): void { if (this.#containers.includes(known)) this.#containers.splice(this.#containers.indexOf(known), 1) }
  #name(kind: string): string { return `${this.#prefix}-${kind}${this.#next++}` }
}
