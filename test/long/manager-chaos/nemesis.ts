import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, type Lab } from '../../support/lab.ts'
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
    }
  }

  /** Waits until each manager accepts a write. @returns after how many ms the first did */
  async recovered(): Promise<number> {
    const beganMs = performance.now()
    let firstMs: number | undefined
    for (const host of this.managers) {
      await eventually(`h${host} accepts a write`, RECOVERY_MS, async () => {
        const { status, body } = await call(this.lab.socket(host), 'POST', '/configs/create', { Name: `probe-${host}-${Math.round(performance.now())}`, Data: 'eA==' })
        if (status !== 201) throw new Error(`${status} ${body.slice(0, 300)}`)
        return true
      })
      firstMs ??= performance.now() - beganMs
    }
    return Math.round(firstMs ?? 0)
  }

  /** What each manager holds when it can ask nobody, in the order of `managers`: all are cut off from each other, and answer from their own state. */
  async ownStates(): Promise<readonly string[]> {
    await Promise.all(this.managers.map(async host => this.#dropFrom(host, this.hosts.filter(other => other !== host))))
    try {
      return await Promise.all(this.managers.map(async host => eventually(`h${host} answers from its own state`, LEADER_MS, async () => {
        const answers = await Promise.all(['/configs', '/services', '/secrets', '/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D'].map(async path => call(this.lab.socket(host), 'GET', path)))
        return answers.slice(0, 3).every(({ status, isStale }) => status === 200 && isStale) ? JSON.stringify(answers.map(({ body }) => sorted(body))) : undefined
      })))
    } finally {
      await this.#heal()
    }
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

  async #nodes(): Promise<readonly NodeView[]> {
    for (const host of this.managers) {
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

  /** The hosts beyond the first three become managers, or workers again; what a leader in between refuses is asked again. */
  async #changeRoles(role: 'manager' | 'worker'): Promise<void> {
    const changing = this.hosts.slice(3)
    const next = role === 'manager' ? [...this.managers, ...changing] : this.managers.filter(host => !changing.includes(host))
    for (const host of changing) {
      await eventually(`h${host} becomes a ${role}`, RECOVERY_MS, async () => {
        const node = (await this.#nodes()).find(({ Description }) => Description.Hostname === `h${host}`)
        if (node?.Spec.Role === role) return true
        const { status, stderr } = await this.lab.dockerWith({ timeoutMs: LEADER_MS }, next[0] ?? 1, 'node', 'update', '--role', role, `h${host}`)
        if (status !== 0) throw new Error(stderr)
        return undefined
      })
    }
    await eventually('the managers are those', RECOVERY_MS, async () => (await this.#nodes()).filter(({ ManagerStatus }) => ManagerStatus?.Reachability === 'reachable').length === next.length ? true : undefined)
    this.managers = next
  }

  async #on(host: number, ...command: readonly string[]): Promise<void> {
    const { status, stderr } = await this.lab.lab('exec', String(host), ...command)
    if (status !== 0) throw new Error(`h${host}: ${command.join(' ')}: ${stderr}`)
  }
}

function sorted(body: string): string {
  const objects = JSON.parse(body) as readonly { readonly ID?: string; readonly Id?: string }[]
  return JSON.stringify([...objects].sort((a, b) => (a.ID ?? a.Id ?? '') < (b.ID ?? b.Id ?? '') ? -1 : 1))
}

export function describeFault(fault: Fault): string { return Object.values(fault).map(value => typeof value === 'number' ? `${(value / 1000).toFixed(1)} s` : value).join(' ') }
