/**
 * `npm run bench -- [--only run,density] [--rounds 20] [--replicas 30] [--json FILE]`: the same work through the public API on this
 * product and on a real dockerd, in turn, with what crun alone costs beside them; then the control plane on three managers.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Lab } from '../support/lab.ts'
import { Api } from './api.ts'
import { controlPlane, failovers } from './control-plane.ts'
import { density, logs, run, runWithoutNetwork, type Subject } from './engine-workloads.ts'
import { measureFloor } from './floor.ts'
import { many } from './many.ts'
import type { Row } from './measure.ts'
import { startPeer } from './peer.ts'
import { services } from './service-workloads.ts'

const WORKLOADS: Readonly<Record<string, (subject: Subject) => Promise<readonly Row[]>>> = { run, runnone: runWithoutNetwork, density, logs, service: services }
const CONTROL = 'managers'
/** Takes minutes and much memory: only when it is asked for. */
const MANY = 'many'
const FAILOVER = 'failover'

interface Line extends Row { readonly peer?: number | undefined; readonly floor?: number | undefined }

const { values } = parseArgs({ options: { only: { type: 'string' }, rounds: { type: 'string', default: '20' }, replicas: { type: 'string', default: '30' }, json: { type: 'string' } } })
const usual = [...Object.keys(WORKLOADS), CONTROL]
const names = [...usual, MANY, FAILOVER]
const chosen = values.only?.split(',') ?? usual
const unknown = chosen.find(name => !names.includes(name))
if (unknown !== undefined) throw new Error(`there is no benchmark ${unknown}; choose of ${names.join(', ')}`)
const sizes = { rounds: Number(values.rounds), replicas: Number(values.replicas) }

/** One workload on both; a failure of the peer (e.g. a kernel it cannot use) leaves its column empty. */
async function compare(name: string, ours: Subject, theirs: Subject | undefined): Promise<readonly Line[]> {
  const work = WORKLOADS[name]
  if (work === undefined) return []
  const rows = await work(ours)
  const peers = theirs === undefined ? [] : await work(theirs).catch((error: unknown) => { process.stderr.write(`dockerd, ${name}: ${String(error)}\n`); return [] })
  return rows.map(row => ({ ...row, peer: peers.find(each => each.name === row.name)?.value }))
}

async function engine(selected: readonly string[]): Promise<readonly Line[]> {
  if (selected.length === 0) return []
  await using lab = await Lab.up('shoalbench', 1, { idleHosts: 1 })
  const peer = await startPeer(lab, 2)
  if (peer === undefined) process.stderr.write('dockerd is not installed (deploy/setup/install.sh peer): measuring without it\n')
  const ours = { api: new Api(lab.socket(1)), processes: new RegExp(`${lab.folder}/h1/(data|exec)`), ...sizes }
  const theirs = peer === undefined ? undefined : { api: new Api(peer.socket), processes: peer.processes, ...sizes }
  const floor = selected.some(name => ['run', 'runnone', 'density'].includes(name)) ? await measureFloor(lab, sizes.rounds) : undefined
  const floors: Readonly<Record<string, number | undefined>> = { 'run.bridge.total.p50': floor?.run, 'run.none.total.p50': floor?.run, 'exec.p50': floor?.exec }
  const lines: Line[] = []
  for (const name of selected) lines.push(...(await compare(name, ours, theirs)).map(line => ({ ...line, floor: floors[line.name] })))
  ours.api.close()
  theirs?.api.close()
  return lines
}

function format(line: Line): string {
  const number = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(1)).padStart(12)
  const ratio = line.peer === undefined ? '' : (line.value / line.peer).toFixed(2)
  return `${line.name.padEnd(30)}${number(line.value)}${number(line.peer)}${ratio.padStart(9)}${number(line.floor)}  ${line.unit}`
}

const lines = [...await engine(chosen.filter(name => name in WORKLOADS)), ...(chosen.includes(MANY) ? await many() : []), ...(chosen.includes(CONTROL) ? await controlPlane('shoalbench3', sizes.replicas) : []),
  ...(chosen.includes(FAILOVER) ? await failovers('shoalbench3') : [])]
process.stdout.write(`${'what'.padEnd(30)}${'shoal'.padStart(12)}${'dockerd'.padStart(12)}${'ratio'.padStart(9)}${'crun alone'.padStart(12)}  unit\n${lines.map(format).join('\n')}\n`)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(lines, undefined, 1)}\n`)
