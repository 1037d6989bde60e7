import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { words } from '../long/cases/case.ts'
import { SCENARIOS } from '../long/cases/all-cases.ts'
import { SWARM_CASES } from '../long/cases/swarm-cases.ts'
import type { CommandLineReader } from './command-line.ts'
import { commandLinesIn } from './source-lines.ts'

/** Where command lines and requests of the API are run, and which. */
export interface Proof {
  /** "area: name" of a scenario, or the path of a test file. */
  readonly name: string
  readonly commandLines: readonly (readonly string[])[]
  /** "METHOD /path" without query. */
  readonly requests: readonly string[]
  /** The source's text, for operations that a test names by their path. */
  readonly text: string
}

/** The scenarios as a whole prove an operation when they run: the daemon's log says that it was asked for and answered with a success (live-record.ts). */
export const LIVE = 'test/long/differential.test.ts'

/** The proof that differential-swarm.test.ts is. */
export const SWARM_STORY = 'swarm: the life of a swarm'

const TEST_FOLDERS = ['test/e2e', 'test/long']

/** Every scenario that is not there to be refused, and every end-to-end and long test of real daemons. */
export function allProofs(): readonly Proof[] {
  return [...SCENARIOS.filter(({ scenario }) => scenario.refusals !== true).map(({ area, scenario }): Proof => {
    const steps = scenario.steps.map(each => typeof each === 'string' ? { line: each } : each)
    return {
      name: `${area}: ${scenario.name}`, text: '',
      commandLines: steps.flatMap(step => 'line' in step ? [words(step.line)] : []),
      requests: steps.flatMap(step => 'api' in step ? [(step.api.split('?', 1)[0] ?? '')] : []),
    }
  }), { name: SWARM_STORY, commandLines: SWARM_CASES.map(({ args }) => args), requests: [], text: '' }, ...TEST_FOLDERS.flatMap(folder => readdirSync(folder).filter(name => name.endsWith('.test.ts')).flatMap((name): readonly Proof[] => {
    const text = readFileSync(join(folder, name), 'utf8')
    return text.includes("/support/lab.ts'") ? [{ name: `${folder}/${name}`, text, commandLines: commandLinesIn(text), requests: [] }] : []
  }))]
}

/** Which proofs use a flag, as "command flag". */
export function flagProofs(proofs: readonly Proof[], reader: CommandLineReader): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const proof of proofs) {
    for (const { command, flag } of proof.commandLines.flatMap(line => reader.read(line)?.used ?? [])) {
      const names = found.get(`${command} ${flag}`) ?? []
      if (!names.includes(proof.name)) names.push(proof.name)
      found.set(`${command} ${flag}`, names)
    }
  }
  return found
}

/** Whether "GET /containers/~c/json" is a request of "GET /containers/{id}/json". */
export function isRequestOf(request: string, operation: { readonly method: string; readonly path: string }): boolean {
  return pattern(operation).test(request)
}

/** Operations that only these commands ask for, and always do. */
const ASKED_BY: Readonly<Record<string, string>> = {
  'POST /images/{name}/push': 'docker image push', 'POST /auth': 'docker login', 'POST /images/load': 'docker image load', 'GET /images/search': 'docker search', 'POST /build': 'docker image build', 'POST /build/prune': 'docker builder prune',
}

/** Which proofs ask for an operation: by a request, by a command that makes it, or by its path in a test's source. */
export function operationProofs(proofs: readonly Proof[], operation: { readonly method: string; readonly path: string }, reader: CommandLineReader): readonly string[] {
  const command = ASKED_BY[`${operation.method} ${operation.path}`]
  return proofs.filter(proof => (command !== undefined && proof.commandLines.some(line => reader.read(line)?.command === command)) || proof.requests.some(request => isRequestOf(request, operation)) || named(operation).test(proof.text)).map(proof => proof.name)
}

function pattern({ method, path }: { readonly method: string; readonly path: string }): RegExp {
  return new RegExp(`^${method} ${path.replace(/\{[^}]+\}/g, path.startsWith('/images/') || path.startsWith('/distribution/') ? '.+' : '[^/]+')}$`)
}

/** 'GET', `/containers/${id}/json` as a test's source says it. */
function named({ method, path }: { readonly method: string; readonly path: string }): RegExp {
  return new RegExp(`\\b${method}\\b['\`, ]+(/v[\\d.]+)?${path.replace(/\{[^}]+\}/g, '[^/\'`?]+')}['\`?]`)
}
