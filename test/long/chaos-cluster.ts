import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, run, type Lab, type Output } from '../support/lab.ts'
import type { Fault } from './chaos-model.ts'

/** How long a healed cluster may take until everything is as it should be, on a machine with two busy cores. */
const SETTLE_MS = 90_000
/** A write during a fault that gets no answer in this time counts as not acknowledged. */
const WRITE_MS = 40_000
/** A daemon that is told to stop has nothing to wait for: its containers stay. */
const STOP_MS = 6000
const PORT = 8080

interface TaskLine { readonly ID: string; readonly Name: string; readonly Node: string; readonly CurrentState: string; readonly DesiredState: string; readonly Error: string }
/** What an acknowledged write promised. `round` is the value of the variable ROUND in the service's containers. */
interface Promised { readonly replicas: number; readonly round: string; readonly mode: 'replicated' | 'global' }
export interface Container { readonly host: number; readonly task: string; readonly service: string; readonly slot: string; readonly id: string; readonly pid: number }

/** A lab's cluster with a memory of what was acknowledged. */
export class ChaosCluster {
  readonly lab: Lab
  readonly hosts: readonly number[]
  readonly managers: readonly number[]
  readonly promised = new Map<string, Promised>()

  constructor(lab: Lab, hosts: number, managers: number) {
    this.lab = lab
    this.hosts = Array.from({ length: hosts }, (_, i) => i + 1)
    this.managers = this.hosts.slice(0, managers)
  }

  async createPage(name: string, promised: Promised, port: number | undefined): Promise<void> {
    const created = await this.#write(1, ['service', 'create', '-d', '--name', name, ...(promised.mode === 'global' ? ['--mode', 'global'] : ['--replicas', String(promised.replicas)]),
      ...(port === undefined ? [] : ['-p', `${port}:80`]), '--env', `ROUND=${promised.round}`, '--stop-grace-period', '2s', '--restart-delay', '1s', '--update-monitor', '1s', '--update-parallelism', '0',
      'busybox', 'sh', '-c', 'trap "exit 0" TERM; hostname > /www/index.html; httpd -p 80 -h /www; while true; do sleep 1; done'])
    assert.equal(created.status, 0, created.stderr)
    this.promised.set(name, promised)
  }

  async leader(): Promise<number> {
    return eventually('someone names a leader', SETTLE_MS, async () => {
      for (const host of this.managers) {
        const { status, stdout } = await this.lab.dockerWith({ timeoutMs: 5000 }, host, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')
        const line = stdout.split('\n').find(each => each.includes('Leader'))
        if (status === 0 && line !== undefined) return Number(line.slice(1, 2))
      }
      return undefined
    })
  }

  async resolve(whom: 'leader' | 'follower' | 'worker'): Promise<number> {
    if (whom === 'worker') return this.managers.length + 1
    const leader = await this.leader()
    return whom === 'leader' ? leader : this.managers.find(host => host !== leader) ?? leader
  }

  /** Begins a fault. Returns the hosts nobody should talk to meanwhile, and what ends it. */
  async inflict(fault: Fault): Promise<{ readonly silent: readonly number[]; readonly heal: () => Promise<void> }> {
    const nothing = async (): Promise<void> => undefined
    switch (fault.kind) {
      case 'kill-manager': { const host = await this.resolve(fault.whom); process.kill(this.lab.pid(host, 'manager'), 'SIGKILL'); return { silent: [host], heal: nothing } }
      case 'kill-daemon': process.kill(this.lab.pid(fault.host, 'daemon'), 'SIGKILL'); return { silent: [fault.host], heal: async () => this.lab.start(fault.host) }
      case 'kill-host': await this.lab.lab('kill', String(fault.host)); return { silent: [fault.host], heal: async () => this.lab.start(fault.host) }
      case 'kill-all':
        await Promise.all(this.hosts.map(async host => this.lab.lab('kill', String(host))))
        return { silent: this.hosts, heal: async () => { await Promise.all(this.hosts.map(async host => this.lab.start(host))) } }
      case 'cut': {
        const host = await this.resolve(fault.whom)
        await this.lab.lab('cut', String(host))
        return { silent: [host], heal: async () => { await sleep(fault.forMs); await this.lab.lab('mend', String(host)) } }
      }
      case 'freeze-manager': {
        const host = await this.resolve(fault.whom)
        const pid = this.lab.pid(host, 'manager')
        process.kill(pid, 'SIGSTOP')
        return { silent: [host], heal: async () => { await sleep(fault.forMs); process.kill(pid, 'SIGCONT') } }
      }
      case 'restart-daemon': {
        const beganMs = performance.now()
        await this.lab.lab('stop', String(fault.host))
        assert.ok(performance.now() - beganMs < STOP_MS, `the daemon of h${fault.host} took ${Math.round(performance.now() - beganMs)} ms to stop`)
        return { silent: [fault.host], heal: async () => this.lab.start(fault.host) }
      }
      case 'kill-container': {
        const [container] = await this.containersOf(fault.host)
        assert.ok(container !== undefined, `h${fault.host} has no container to kill`)
        await this.lab.ok(fault.host, 'kill', container.id)
        return { silent: [], heal: nothing }
      }
    }
  }

  /** A write during a fault through a host that is not silent. What was acknowledged is remembered; what failed may have happened or not. */
  async wish(wish: 'scale' | 'update' | 'create', step: number, silent: readonly number[]): Promise<string> {
    const host = this.managers.find(each => !silent.includes(each))
    if (host === undefined) return 'no manager to ask'
    const web = this.#must('web')
    if (wish === 'create') {
      const name = `extra${step}`
      return this.#remember(name, { replicas: 1, round: '0', mode: 'replicated' }, await this.#write(host, ['service', 'create', '-d', '--name', name, '--env', 'ROUND=0', '--stop-grace-period', '2s', 'busybox', 'sleep', '100000']))
    }
    if (wish === 'scale') {
      const replicas = web.replicas === 6 ? 4 : 6
      return this.#remember('web', { ...web, replicas }, await this.#write(host, ['service', 'scale', '-d', `web=${replicas}`]))
    }
    return this.#remember('web', { ...web, round: String(step) }, await this.#write(host, ['service', 'update', '-d', '--env-add', `ROUND=${step}`, 'web']))
  }

  /** Waits until cluster, containers and pages are as promised. @returns how long it took, in ms */
  async settled(): Promise<number> {
    const beganMs = performance.now()
    await eventually('everything is as promised', SETTLE_MS, async () => {
      await this.#checkNodes()
      await this.#checkServices()
      await this.#checkPages()
      return true
    }).catch(async (error: unknown) => { throw new Error(`not settled after ${SETTLE_MS} ms: ${String((error as Error).cause ?? error)}\n${await this.#state()}`, { cause: error }) })
    return Math.round(performance.now() - beganMs)
  }

  async containers(): Promise<readonly Container[]> { return (await Promise.all(this.hosts.map(async host => this.containersOf(host)))).flat() }

  async containersOf(host: number): Promise<readonly Container[]> {
    const ids = lines(await this.lab.ok(host, 'ps', '-q', '--no-trunc'))
    if (ids.length === 0) return []
    const format = '{{.Id}} {{.State.Pid}} {{index .Config.Labels "com.docker.swarm.task.id"}} {{index .Config.Labels "com.docker.swarm.task.name"}}'
    return lines(await this.lab.ok(host, 'inspect', '--format', format, ...ids)).map(line => {
      const [id = '', pid = '', task = '', name = ''] = line.split(' ')
      const [service = '', slot = ''] = name.split('.')
      return { host, id, pid: Number(pid), task, service, slot }
    })
  }

  /** Resident bytes of the daemon and the manager of a host. */
  memory(host: number): number {
    return (['daemon', 'manager'] as const).map(what => {
      if (what === 'manager' && !this.managers.includes(host)) return 0
      return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.lab.pid(host, what)}/status`, 'utf8'))?.[1])
    }).reduce((a, b) => a + b, 0)
  }

  /** What the hosts' kernels hold for containers: devices, mounts, namespaces, rules, control groups. */
  async traces(host: number): Promise<readonly string[]> {
    const inside = async (...command: readonly string[]): Promise<readonly string[]> => lines((await this.lab.lab('exec', String(host), ...command)).stdout)
    const links = (await inside('ip', '-o', 'link')).map(line => `link ${/^\d+: ([^:@]+)/.exec(line)?.[1] ?? line}`)
    const mounts = (await inside('cat', '/proc/self/mounts')).map(line => line.split(' ')).filter(([, path = '', type = '']) => path.startsWith(this.lab.folder) && /overlay|nsfs|tmpfs|proc/.test(type)).map(([, path = '', type = '']) => `mount ${type} ${path}`)
    // One line per rule or element of a set, as sets are listed in any order and wrapped.
    const rules = (await inside('nft', '-s', 'list', 'ruleset')).flatMap(line => line.replace('elements = {', '').split(/,|\}$/)).map(text => text.trim()).filter(text => text !== '').map(text => `rule ${text}`)
    const groups = lines((await run('find', ['/sys/fs/cgroup', '-type', 'd', '-path', `*/${this.lab.name}-lab/h${host}/*`])).stdout).map(path => `cgroup ${path}`)
    const files = ['containers', 'netns', 'layers'].map(name => join(this.lab.folder, `h${host}`, 'exec', name)).filter(existsSync).map(path => `folder ${path}`)
    return [...links, ...mounts, ...rules, ...groups, ...files].sort()
  }

  async #checkNodes(): Promise<void> {
    const host = this.managers[0] ?? 1
    const nodes = lines(await this.lab.ok(host, 'node', 'ls', '--format', '{{.Hostname}} {{.Status}} {{.ManagerStatus}}')).map(line => line.trim())
    const counts = (word: string): number => nodes.filter(line => line.endsWith(word)).length
    if (!(nodes.length === this.hosts.length && nodes.every(line => / Ready\b/.test(line)) && counts('Leader') === 1 && counts('Reachable') === this.managers.length - 1)) throw new Error(`nodes: ${nodes.join('; ')}`)
  }

  async #checkServices(): Promise<void> {
    const asked = this.managers.at(-1) ?? 1
    const names = [...lines(await this.lab.ok(asked, 'service', 'ls', '--format', '{{.Name}}'))].sort()
    if (names.join() !== [...this.promised.keys()].sort().join()) throw new Error(`services are ${names.join()}, promised were ${[...this.promised.keys()].sort().join()}`)
    const containers = await this.containers()
    const expected: string[] = []
    for (const [name, promised] of this.promised) {
      const tasks = lines(await this.lab.ok(asked, 'service', 'ps', '--no-trunc', '--format', '{{json .}}', name)).map(line => JSON.parse(line) as TaskLine).filter(task => task.DesiredState === 'Running')
      const count = promised.mode === 'global' ? this.hosts.length : promised.replicas
      if (tasks.length !== count || !tasks.every(task => task.CurrentState.startsWith('Running'))) throw new Error(`${name}: ${count} promised, has ${tasks.map(task => `${task.Name}@${task.Node} ${task.CurrentState} ${task.Error}`).join('; ')}`)
      const round = await this.lab.ok(asked, 'service', 'inspect', '--format', '{{range .Spec.TaskTemplate.ContainerSpec.Env}}{{.}}{{end}}', name)
      if (round !== `ROUND=${promised.round}`) throw new Error(`${name}: ROUND=${promised.round} was acknowledged, ${round} is there`)
      expected.push(...tasks.map(task => `${task.ID}@${task.Node}`))
    }
    const there = containers.filter(container => container.task !== '').map(container => `${container.task}@h${container.host}`)
    if ([...there].sort().join() !== expected.sort().join()) throw new Error(`running containers ${there.join(' ')} are not the running tasks ${expected.join(' ')}`)
    const slots = containers.filter(({ service }) => this.promised.get(service)?.mode === 'replicated').map(({ service, slot }) => `${service}.${slot}`)
    if (new Set(slots).size !== slots.length) throw new Error(`a slot runs twice: ${[...slots].sort().join(' ')}`)
  }

  async #checkPages(): Promise<void> {
    for (const host of this.hosts) {
      for (let i = 0; i < 3; i++) assert.match(await this.lab.fetch(host, PORT).catch((error: unknown) => { throw new Error(`page through h${host}: ${String(error)}`) }), /^[0-9a-f]{12}$/)
    }
  }

  async #write(host: number, args: readonly string[]): Promise<Output> { return this.lab.dockerWith({ timeoutMs: WRITE_MS }, host, ...args) }

  /** A failed write may have happened: what the cluster says after healing is promised from then on. */
  #remember(name: string, promised: Promised, output: Output): string {
    if (output.status === 0) { this.promised.set(name, promised); return 'acknowledged' }
    this.unsure.set(name, promised)
    return `not acknowledged (${output.stderr.trim().split('\n').at(-1) ?? ''})`
  }

  readonly unsure = new Map<string, Promised>()

  /** Asks the cluster what became of writes that got no answer. */
  async settleUnsure(): Promise<void> {
    for (const [name, promised] of [...this.unsure]) {
      const found = await eventually(`someone knows ${name}`, SETTLE_MS, async () => {
        const output = await this.lab.docker(this.managers[0] ?? 1, 'service', 'inspect', '--format', '{{with .Spec.Mode.Replicated}}{{.Replicas}}{{end}} {{range .Spec.TaskTemplate.ContainerSpec.Env}}{{.}}{{end}}', name)
        return output.status === 0 || /no such service/i.test(output.stderr) ? output : undefined
      })
      const old = this.promised.get(name)
      if (found.status === 0 && found.stdout.trim() === `${promised.replicas} ROUND=${promised.round}`) this.promised.set(name, promised)
      else assert.ok(found.status === 0 ? old !== undefined && found.stdout.trim() === `${old.replicas} ROUND=${old.round}` : old === undefined, `${name} is neither what it was nor what was asked for: ${found.stdout}${found.stderr}`)
      this.unsure.delete(name)
    }
  }

  #must(name: string): Promised {
    const promised = this.promised.get(name)
    assert.ok(promised !== undefined)
    return promised
  }

  async #state(): Promise<string> {
    const parts = await Promise.all(this.hosts.map(async host => {
      const ps = await this.lab.docker(host, 'ps', '-a', '--no-trunc', '--format', '{{.Names}} {{.Status}}')
      return `--- h${host}\n${ps.stdout}${ps.stderr}${this.lab.log(host).split('\n').slice(-12).map(line => line.slice(0, 300)).join('\n')}`
    }))
    const nodes = await this.lab.docker(this.managers[0] ?? 1, 'node', 'ls')
    const ps = await this.lab.docker(this.managers[0] ?? 1, 'service', 'ps', '--no-trunc', ...this.promised.keys())
    return [nodes.stdout + nodes.stderr, ps.stdout + ps.stderr, ...parts].join('\n')
  }
}

function lines(text: string): readonly string[] { return text.split('\n').filter(line => line !== '') }
