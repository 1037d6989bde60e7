import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, type Lab } from '../../support/lab.ts'
import { ManagerConnection, type ManagerState } from './manager-connection.ts'
import { call } from './register-client.ts'

export type Fault =
  | { readonly kind: 'kill'; readonly whom: 'leader' | 'follower' | 'all' }
  | { readonly kind: 'freeze'; readonly whom: 'leader' | 'follower'; readonly forMs: number }
  /** minority: the leader with too few; one-way: the leader is not heard; bridge: two sides that only one manager sees both of. */
  | { readonly kind: 'cut'; readonly how: 'minority' | 'one-way' | 'bridge'; readonly forMs: number }
  | { readonly kind: 'disk-full'; readonly forMs: number }
  /** Two workers become managers, and two managers workers. */
  | { readonly kind: 'grow' } | { readonly kind: 'shrink' }
  | { readonly kind: 'restart'; readonly whom: 'leader' | 'follower' }
  /** Autolock is turned on, and a host's daemon and manager are killed and started: it stays locked for so long, and is unlocked. */
  | { readonly kind: 'lock'; readonly whom: 'leader' | 'follower'; readonly forMs: number }
  /** All managers are cut off from each other; the last leader goes on alone, the others come back to it and are promoted again. */
  | { readonly kind: 'force-new-cluster'; readonly forMs: number }

/** How long a healed cluster may take to accept a write, on a machine with two busy cores. */
const RECOVERY_MS = 60_000
const LEADER_MS = 30_000
const TABLE = 'shoalchaos'

interface NodeView { readonly ID: string; readonly Description: { readonly Hostname: string }; readonly Spec: { readonly Role: string }; readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string } }

/** Does harm to the managers of a lab, and undoes it. */
export class Nemesis {
  readonly lab: Lab
  readonly hosts: readonly number[]
  /** Has its data on a disk of its own. */
  readonly #smallDisk: number
  managers: readonly number[]
  /** Sockets of managers that a forced new cluster left behind, from then on until they are its workers. */
  readonly forsaken = new Set<string>()

  constructor(lab: Lab, options: { readonly hosts: readonly number[]; readonly managers: readonly number[]; readonly smallDisk: number }) {
    this.lab = lab
    this.hosts = options.hosts
    this.managers = options.managers
    this.#smallDisk = options.smallDisk
  }

  /** Begins a fault, waits, and ends it. */
  async inflict(fault: Fault): Promise<void> {
    switch (fault.kind) {
      case 'kill': {
        const hosts = fault.whom === 'all' ? this.managers : [await this.#find(fault.whom)]
        for (const host of hosts) process.kill(this.lab.pid(host, 'manager'), 'SIGKILL')
        return
      }
      case 'freeze': {
        const pid = this.lab.pid(await this.#find(fault.whom), 'manager')
        process.kill(pid, 'SIGSTOP')
        await sleep(fault.forMs)
        return void process.kill(pid, 'SIGCONT')
      }
      case 'cut': return this.#cut(fault)
      case 'disk-full': {
        const folder = `${this.lab.folder}/h${this.#smallDisk}/data`
        await this.#on(this.#smallDisk, 'sh', '-c', `dd if=/dev/zero of=${folder}/ballast bs=64k 2>/dev/null; dd if=/dev/zero of=${folder}/ballast2 bs=512 2>/dev/null; true`)
        await sleep(fault.forMs)
        return void await this.#on(this.#smallDisk, 'rm', '-f', `${folder}/ballast`, `${folder}/ballast2`)
      }
      case 'grow': return this.#changeRoles('manager')
      case 'shrink': return this.#changeRoles('worker')
      case 'restart': {
        const host = await this.#find(fault.whom)
        await this.lab.lab('stop', String(host))
        return this.lab.start(host)
      }
      case 'lock': return this.#lock(fault)
      case 'force-new-cluster': return this.#forceNewCluster(fault.forMs)
    }
  }

  /** Waits until each manager accepts a write. @returns after how many ms the first did */
  async recovered(): Promise<number> {
    const beganMs = performance.now()
    let firstMs: number | undefined
    for (const host of this.managers) {
      await this.#accepts(host)
      firstMs ??= performance.now() - beganMs
    }
    return Math.round(firstMs ?? 0)
  }

  async #accepts(host: number): Promise<void> {
    await eventually(`h${host} accepts a write`, RECOVERY_MS, async () => {
      const { status, body } = await call(this.lab.socket(host), 'POST', '/configs/create', { Name: `probe-${host}-${Math.round(performance.now())}`, Data: 'eA==' })
      if (status !== 201) throw new Error(`${status} ${body.slice(0, 300)}`)
      return true
    })
  }

  /** What each manager holds when it can ask nobody, in the order of `managers`, at one and the same index. */
  async ownStates(): Promise<readonly ManagerState[]> {
    return eventually('the managers have applied the same', RECOVERY_MS, async () => {
      await this.#isolate()
      try {
        const states = await Promise.all(this.managers.map(async host => eventually(`h${host} answers from its own state`, LEADER_MS, async () => this.#ask(host, manager => manager.ownState()))))
        return states.every(({ index }) => index === states[0]?.index) ? states : undefined
      } finally {
        await this.#heal()
        await this.recovered()
      }
    })
  }

  /** The leader as the managers name it, once all of them are in touch. */
  async leader(): Promise<number> {
    return eventually('someone names a leader', LEADER_MS, async () => (await this.#nodes()).find(({ ManagerStatus }) => ManagerStatus?.Leader === true && ManagerStatus.Reachability === 'reachable')?.Description.Hostname)
      .then(name => Number(name.slice(1)))
  }

  async #find(whom: 'leader' | 'follower'): Promise<number> {
    const leader = await this.leader()
    return whom === 'leader' ? leader : this.managers.find(host => host !== leader) ?? leader
  }

  async #nodes(managers = this.managers): Promise<readonly NodeView[]> {
    for (const host of managers) {
      const { status, body, isStale } = await call(this.lab.socket(host), 'GET', '/nodes')
      if (status === 200 && !isStale) return JSON.parse(body) as readonly NodeView[]
    }
    return []
  }

  async #cut({ how, forMs }: Extract<Fault, { kind: 'cut' }>): Promise<void> {
    const leader = await this.leader()
    const others = this.managers.filter(host => host !== leader)
    const half = Math.floor((this.managers.length - 1) / 2)
    if (how === 'one-way') {
      await Promise.all(others.map(async host => this.#dropFrom(host, [leader])))
    } else {
      const bridge = how === 'bridge' ? others[0] : undefined
      const side = how === 'bridge' ? [leader, ...others.slice(1, 1 + half - 1)] : [leader, ...others.slice(0, half - 1)]
      const rest = others.filter(host => host !== bridge && !side.includes(host))
      await Promise.all([...side.map(async host => this.#dropFrom(host, rest)), ...rest.map(async host => this.#dropFrom(host, side))])
    }
    await sleep(forMs)
    await this.#heal()
  }

  async #dropFrom(host: number, sources: readonly number[]): Promise<void> {
    if (sources.length === 0) return
    await this.#on(host, 'nft', `add table inet ${TABLE}; add chain inet ${TABLE} in { type filter hook input priority -300; }; add rule inet ${TABLE} in ip saddr { ${sources.map(each => `10.99.0.${each}`).join(', ')} } drop`)
  }

  async #heal(): Promise<void> { await Promise.all(this.hosts.map(async host => this.#on(host, 'nft', `add table inet ${TABLE}; delete table inet ${TABLE}`))) }

  /** The hosts beyond the first three become managers, or workers again. */
  async #changeRoles(role: 'manager' | 'worker'): Promise<void> {
    const changing = this.hosts.slice(3)
    await this.#setRoles(changing, role, role === 'manager' ? [...this.managers, ...changing] : this.managers.filter(host => !changing.includes(host)))
  }

  /** @param managers in the end; what a leader in between refuses is asked again */
  async #setRoles(changing: readonly number[], role: 'manager' | 'worker', managers: readonly number[]): Promise<void> {
    for (const host of changing) {
      await eventually(`h${host} becomes a ${role}`, RECOVERY_MS, async () => {
        const node = (await this.#nodes(managers)).find(({ Description }) => Description.Hostname === `h${host}`)
        if (node?.Spec.Role === role) return true
        await this.#docker(managers.find(each => each !== host) ?? 1, 'node', 'update', '--role', role, `h${host}`)
        return undefined
      })
    }
    await eventually('the managers are those', RECOVERY_MS, async () => (await this.#nodes(managers)).filter(({ ManagerStatus }) => ManagerStatus?.Reachability === 'reachable').length === managers.length ? true : undefined)
    this.managers = managers
  }

  async #lock({ whom, forMs }: Extract<Fault, { kind: 'lock' }>): Promise<void> {
    const autolock = async (value: boolean): Promise<unknown> => eventually('autolock is changed', RECOVERY_MS, async () => this.#docker(this.managers[0] ?? 1, 'swarm', 'update', `--autolock=${value}`))
    await autolock(true)
    const host = await this.#find(whom)
    await this.#untilSealed(host, true)
    const key = await this.#docker(host, 'swarm', 'unlock-key', '-q')
    await this.lab.lab('kill', String(host))
    await this.lab.start(host)
    const state = await this.lab.ok(host, 'info', '--format', '{{.Swarm.LocalNodeState}}')
    if (state !== 'locked') throw new Error(`h${host} was started again and is ${state}`)
    await sleep(forMs)
    const unlocked = await this.lab.dockerWith({ input: `${key}\n` }, host, 'swarm', 'unlock')
    if (unlocked.status !== 0) throw new Error(unlocked.stderr)
    await autolock(false)
    // Who is killed before it heard of that stays locked.
    for (const each of this.managers) await this.#untilSealed(each, false)
  }

  async #untilSealed(host: number, isSealed: boolean): Promise<void> {
    await eventually(`the key of h${host} is ${isSealed ? 'sealed' : 'open'}`, LEADER_MS, async () => {
      const { stdout } = await this.lab.lab('exec', String(host), 'cat', `${this.lab.folder}/h${host}/data/swarm/certificates/swarm-node.key`)
      return stdout.startsWith('shoal-sealed:') === isSealed ? true : undefined
    })
  }

  async #forceNewCluster(forMs: number): Promise<void> {
    const survivor = await eventually('the last leader is cut off', RECOVERY_MS, async () => this.#isolatedLeader())
    await sleep(forMs)
    const others = this.managers.filter(host => host !== survivor)
    // In touch again they are a quorum of the old cluster until they hear of the new one, and may acknowledge what is lost with it.
    for (const host of others) this.forsaken.add(this.lab.socket(host))
    await this.#docker(survivor, 'swarm', 'init', '--force-new-cluster', '--advertise-addr', `10.99.0.${survivor}`)
    await this.#accepts(survivor)
    await this.#heal()
    for (const host of others) await eventually(`h${host} is a worker`, RECOVERY_MS, async () => ((await this.#docker(host, 'info', '--format', '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}')) === 'active false' ? true : undefined))
    this.forsaken.clear()
    // In this order: the survivor is asked.
    await this.#setRoles(others, 'manager', [survivor, ...others])
  }

  /** Cuts all off from each other. @returns the leader, which holds all that was acknowledged: undefined, and nothing is cut, when the leadership moved just then */
  async #isolatedLeader(): Promise<number | undefined> {
    const leader = await this.leader()
    const { term, leaderId, raftId } = await this.#ask(leader, manager => manager.logEnd())
    if (leaderId !== raftId) return undefined
    await this.#isolate()
    // None of them alone can make a later leader: if there is none now, there was none that could have acknowledged more.
    const ends = await Promise.all(this.managers.map(async host => this.#ask(host, manager => manager.logEnd())))
    if (ends.every(end => end.term <= term)) return leader
    await this.#heal()
    await this.recovered()
    return undefined
  }

  async #isolate(): Promise<void> { await Promise.all(this.managers.map(async host => this.#dropFrom(host, this.hosts.filter(other => other !== host)))) }

  async #ask<T>(host: number, question: (manager: ManagerConnection) => Promise<T>): Promise<T> {
    await using manager = new ManagerConnection(this.lab, host)
    return await question(manager)
  }

  /** As Lab.ok, but to be tried again. */
  async #docker(host: number, ...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.lab.dockerWith({ timeoutMs: LEADER_MS }, host, ...args)
    if (status !== 0) throw new Error(stderr)
    return stdout.trim()
  }

  async #on(host: number, ...command: readonly string[]): Promise<void> {
    const { status, stderr } = await this.lab.lab('exec', String(host), ...command)
    if (status !== 0) throw new Error(`h${host}: ${command.join(' ')}: ${stderr}`)
  }
}

export function describeFault(fault: Fault): string { return Object.values(fault).map(value => typeof value === 'number' ? `${(value / 1000).toFixed(1)} s` : value).join(' ') }
