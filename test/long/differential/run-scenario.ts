import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { words, type ApiStep, type Difference, type Scenario, type Step } from '../cases/case.ts'
import { RETIRED, REWORDED } from '../cases/differences.ts'
import type { Answer, Command, Daemon, Place } from './daemon.ts'

export interface Daemons { readonly theirs: Daemon; readonly ours: Daemon }
/** What one step said on both daemons. */
export interface Compared { readonly line: string; readonly step: Step | ApiStep; readonly theirs?: Answer; readonly ours: Answer }

/** Runs the steps in order, each on both daemons at once, and removes what the scenario made. */
export async function runScenario(scenario: Scenario, daemons: Daemons, client: { readonly program: string; readonly prefix: string }): Promise<readonly Compared[]> {
  const folder = mkdtempSync(join(tmpdir(), 'differential-'))
  const place = (name: 'theirs' | 'ours'): Place => ({ ...client, folder: join(folder, name), ...(scenario.newer === true ? { newestApi: true } : {}) })
  try {
    writeFiles(scenario, [place('theirs').folder, place('ours').folder])
    const results: Compared[] = []
    for (const each of scenario.steps) {
      const step = typeof each === 'string' ? { line: each } : each
      const ask = (name: 'theirs' | 'ours'): Promise<Answer> => daemons[name].ask(commandOf(step, place(name)), place(name))
      const [theirs, ours] = scenario.newer === true ? [undefined, await ask('ours')] : await Promise.all([ask('theirs'), ask('ours')])
      const line = 'api' in step ? step.api : step.line
      results.push({ line, step, ours, ...(theirs === undefined ? {} : { theirs: reworded(theirs, line) }) })
    }
    return results
  } finally {
    await Promise.all([daemons.theirs.clean(client.prefix), daemons.ours.clean(client.prefix)])
    rmSync(folder, { recursive: true, force: true })
  }
}

function commandOf(step: Step | ApiStep, place: Place): Command | ApiStep {
  return 'api' in step ? step : { ...step, args: words(step.line.replaceAll('~dir', place.folder).replaceAll('~disk', disk()).replaceAll('~', place.prefix)) }
}

/** Any disk of this machine. */
function disk(): string { return `/dev/${readdirSync('/sys/block').find(name => existsSync(`/dev/${name}`)) ?? 'sda'}` }

function writeFiles(scenario: Scenario, folders: readonly string[]): void {
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true })
    for (const [name, content] of Object.entries(scenario.files ?? {})) {
      const path = join(folder, name)
      mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true })
      if (!name.endsWith('/')) writeFileSync(path, content)
    }
  }
}

function reworded(answer: Answer, line: string): Answer {
  const last = line.split(' ').at(-1) ?? ''
  const ref = last.startsWith('/') ? last.split(/[/?]/)[2] ?? '' : last
  const newer = (text: string): string => REWORDED.reduce((before, [words, after]) => before.replace(new RegExp(words, 'g'), after.replace('$ref', ref)), text)
  return { status: answer.status, stdout: newer(answer.stdout), stderr: newer(answer.stderr) }
}

/** Why the answers to a step are not as they should be; undefined when they are. */
export function fault(compared: Compared, difference: Difference | undefined): string | undefined {
  const { step, theirs, ours } = compared
  if ('line' in step && step.quiet === true) return (theirs?.status ?? 0) === 0 && ours.status === 0 ? undefined : report(compared, 'must succeed')
  if (theirs === undefined) return expected(compared)
  const same = theirs.status === ours.status && theirs.stderr === ours.stderr && (isShape(step, ours) ? missing(theirs, ours).length === 0 : theirs.stdout === ours.stdout)
  if (difference === undefined) return same ? undefined : report(compared, 'differs')
  if (!same && difference.ours !== undefined && !difference.ours.test(`${ours.stdout}\n${ours.stderr}`)) return report(compared, `differs otherwise than listed (${difference.reason})`)
  return undefined
}

function isShape(step: Step | ApiStep, ours: Answer): boolean { return 'api' in step && step.compare === undefined && ours.status < 300 }

/** The fields that Shoal's answer lacks. It may have more: clients ignore what they do not know. */
function missing(theirs: Answer, ours: Answer): readonly string[] {
  const has = new Set(ours.stdout.split('\n'))
  // What is null may as well be empty, or not be there.
  return theirs.stdout.split('\n').filter(field => field !== '' && !has.has(field) && !field.endsWith(': null') && !RETIRED.some(retired => retired.test(field)))
}

function expected(compared: Compared): string | undefined {
  const { step, ours } = compared
  const { says, exits } = 'line' in step ? step : { says: step.says, exits: step.status ?? 200 }
  if (ours.status !== (exits ?? 0)) return report(compared, `exits with ${exits ?? 0}`)
  return says === undefined || says.test(`${ours.stdout}\n${ours.stderr}`) ? undefined : report(compared, `says ${says}`)
}

function report({ line, step, theirs, ours }: Compared, what: string): string {
  if (theirs !== undefined && isShape(step, ours) && theirs.status === ours.status) return `${what}: ${line}\n  shoal lacks\n    ${missing(theirs, ours).join('\n    ')}`
  return `${what}: ${line}\n${theirs === undefined ? '' : `${show('dockerd', theirs)}\n`}${show('shoal', ours)}`
}

function show(name: string, { status, stdout, stderr }: Answer): string {
  return `  ${name}: ${status}\n${[...stdout.split('\n'), ...stderr.split('\n').map(line => line === '' ? '' : `! ${line}`)].filter(line => line !== '').map(line => `    ${line}`).join('\n')}`
}
