import { words } from '../long/cases/case.ts'
import type { Compared } from '../long/differential/run-scenario.ts'
import { CommandLineReader } from './command-line.ts'
import { isRequestOf, LIVE } from './proofs.ts'
import { readTable, writeTable, type CommandRow, type FlagRow, type OperationRow } from './table.ts'

/** Operations that dockerd refuses as well for all that both have: only a cluster volume of a CSI plugin is updated. Their scenario says in which words. */
const REFUSED_LIKEWISE = ['PUT /volumes/{name}']

/** How the daemon logs what it answered, at the level debug. */
interface Logged { readonly msg: string; readonly method: string; readonly url: string; readonly status: number }

/** What Shoal accepted from the stock CLI while the scenarios ran, held against the tables of flags and operations. */
export class LiveRecord {
  readonly #flags = readTable<FlagRow>('flags')
  readonly #operations = readTable<OperationRow>('operations')
  readonly #reader = new CommandLineReader(readTable<CommandRow>('commands'), this.#flags)
  /** "command flag" to the scenarios in which a command line with it succeeded. */
  readonly #accepted = new Map<string, string[]>()
  readonly #seen = new Set<string>()

  /** Takes down one step of a scenario, as Shoal answered it. */
  take(scenario: string, { step, ours }: Compared): void {
    this.#seen.add(scenario)
    if (!('line' in step) || (ours.status !== 0 && step.cut === undefined)) return
    for (const { command, flag } of this.#reader.read(words(step.line))?.used ?? []) {
      const scenarios = this.#accepted.get(`${command} ${flag}`) ?? []
      if (!scenarios.includes(scenario)) scenarios.push(scenario)
      this.#accepted.set(`${command} ${flag}`, scenarios)
    }
  }

  /** Flags whose scenario ran without that Shoal accepted a line with them. */
  unprovedFlags(): readonly string[] {
    return this.#flags.filter(row => row.status === 'works' && this.#seen.has(row.proof) && !this.#scenarios(row).includes(row.proof)).map(row => `${row.command} ${row.flag}: ${row.proof}`)
  }

  /** Operations said to be proved by the run that got no answer of success in it. */
  unprovedOperations(daemonLog: string): readonly string[] {
    const requests = successes(daemonLog)
    return this.#operations.filter(row => row.proof === LIVE && !requests.some(request => isRequestOf(request, row))).map(row => `${row.method} ${row.path}`)
  }

  /** Writes what this run proved into the tables. A proof that still is one stays; so does that by a test, where no scenario proves it. */
  update(daemonLog: string): void {
    writeTable('flags', this.#flags.map(row => {
      const scenarios = this.#scenarios(row)
      if (row.status === 'refused' || scenarios.includes(row.proof) || (scenarios.length === 0 && row.proof.startsWith('test/'))) return row
      return { ...row, status: scenarios[0] === undefined ? 'open' : 'works', proof: scenarios[0] ?? '' }
    }))
    const requests = successes(daemonLog)
    writeTable('operations', this.#operations.map(row => {
      if (requests.some(request => isRequestOf(request, row))) return { ...row, status: 'works', proof: LIVE }
      return row.status === 'refused' || REFUSED_LIKEWISE.includes(`${row.method} ${row.path}`) || (row.proof.startsWith('test/') && row.proof !== LIVE) ? row : { ...row, status: 'open', proof: '' }
    }))
  }

  #scenarios(row: FlagRow): readonly string[] { return this.#accepted.get(`${row.command} ${row.flag}`) ?? [] }
}

/** "METHOD /path" of the requests that a daemon answered with a success. */
function successes(daemonLog: string): readonly string[] {
  const logged = daemonLog.split('\n').filter(line => line.includes('"a request was')).map(line => JSON.parse(line) as Logged)
  return [...new Set(logged.filter(({ status }) => status < 400).map(({ method, url }) => `${method} ${(url.split('?', 1)[0] ?? '').replace(/^\/v[\d.]+/, '')}`))]
}
