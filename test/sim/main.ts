import { parseArgs } from 'node:util'
import { DIRECTED_CLUSTER_PROFILES, type DirectedClusterProfile } from './cluster/cluster-profile.ts'
import { findPlant, formatPlants, PLANTS, type PlantRow } from './plant-table.ts'
import type { Rung, SimBatch } from './sim-batch.ts'
import { runBatch } from './sim-batch.ts'
import { runInWorkers } from './sim-workers.ts'

/** How many seeds a rung takes when none are asked for: about a minute each. */
const SEEDS = { core: 6000, cluster: 60 }
const SEEDS_MAX = 100_000_000
const PROGRESS_STEPS = 10_000_000

const namesOf = (rung: Rung): string => PLANTS.filter(plant => plant.rung === rung).map(({ name }) => name).join(' ')
const USAGE = `usage: node dist/test/sim/main.js [--rung core|cluster] [--seeds N | --steps N] [--from S] [--workers N] [--plant BUG | --plants] [--faulty SECONDS] [--profile P] [--events] [--log]
  --rung       core: the Raft core on memory disks. cluster: managers, agents and a client. Both if not given
  --seeds N    how many seeds; a minute's worth if not given
  --steps N    of the core: as many seeds as it takes for so many steps, e.g. 1e9
  --from S     the first seed; 1 if not given
  --workers N  threads; 1 if not given
  --plant BUG  put a bug in, to see it found; of the core: ${namesOf('core')}; of the cluster: ${namesOf('cluster')}
  --plants     put in each bug after the other, and print the table of README.md
  --profile P  of the cluster: every seed takes this directed profile (${DIRECTED_CLUSTER_PROFILES.join('; ')})
  --events     print how often what happened
  --faulty S   simulated seconds with faults per seed of the cluster; 30 if not given
  --log        print what the managers of a failing cluster said last, and stacks`

const { values } = parseArgs({ options: {
  seeds: { type: 'string' }, steps: { type: 'string' }, from: { type: 'string', default: '1' }, workers: { type: 'string', default: '1' }, rung: { type: 'string' },
  plant: { type: 'string' }, plants: { type: 'boolean', default: false }, events: { type: 'boolean', default: false }, faulty: { type: 'string' }, log: { type: 'boolean', default: false }, profile: { type: 'string' }, help: { type: 'boolean' },
} })
const isRung = (rung: string | undefined): rung is Rung => rung === 'core' || rung === 'cluster'
const isProfile = (profile: string | undefined): profile is DirectedClusterProfile => DIRECTED_CLUSTER_PROFILES.some(name => name === profile)
const planted = PLANTS.filter(({ name, rung }) => name === values.plant && (values.rung ?? rung) === rung)
const isWrong = (values.profile !== undefined && (!isProfile(values.profile) || values.rung !== 'cluster')) || (values.plant !== undefined && planted.length === 0) || (values.rung !== undefined && !isRung(values.rung)) || (values.steps !== undefined && values.rung !== 'core')
if (values.help === true || isWrong) {
  console.log(USAGE)
  process.exit(values.help === true ? 0 : 2)
}

let failed = 0
const rungs = planted.length > 0 ? planted.map(({ rung }) => rung) : isRung(values.rung) ? [values.rung] : (['core', 'cluster'] as const)
if (values.plants) await runPlants()
else for (const rung of rungs) await runSeeds(rung)
process.exitCode = failed === 0 ? 0 : 1

async function runSeeds(rung: Rung): Promise<void> {
  const beganMs = performance.now()
  const workers = Number(values.workers)
  const batch: SimBatch = {
    rung, from: Number(values.from), count: values.steps === undefined ? Number(values.seeds ?? SEEDS[rung]) : SEEDS_MAX, isVerbose: values.log,
    ...(values.steps === undefined ? {} : { stepsMax: Number(values.steps) }), ...(values.plant === undefined ? {} : { plant: values.plant }),
    ...(isProfile(values.profile) ? { profile: values.profile } : {}),
    ...(values.faulty === undefined ? {} : { faultyMs: Number(values.faulty) * 1000 }),
  }
  let told = 0
  let next = PROGRESS_STEPS
  const result = workers === 1 && values.steps === undefined ? await runBatch(batch) : await runInWorkers(batch, workers, ({ seeds, steps, failures }) => {
    for (const { seed, message } of failures.slice(told)) console.log(`${rung} seed ${seed}: ${message}`)
    told = failures.length
    if (steps < next) return
    next = steps + PROGRESS_STEPS
    console.log(`${rung}: ${seeds} seeds, ${steps.toLocaleString('en')} steps, ${failures.length} failed, ${seconds(beganMs)} s`)
  })
  for (const { seed, message } of result.failures.slice(told)) console.log(`${rung} seed ${seed}: ${message}`)
  const bad = [...new Set(result.failures.map(({ seed }) => seed))]
  failed += bad.length
  if (values.events) console.table(result.events)
  console.log(`${rung}: ${result.seeds} seeds from ${values.from},${rung === 'core' ? ` ${result.steps.toLocaleString('en')} steps,` : ''} ${bad.length} failed in ${seconds(beganMs)} s${bad.length === 0 ? '' : `: ${bad.join(' ')}`}`)
}

async function runPlants(): Promise<void> {
  const rows: PlantRow[] = []
  for (const plant of PLANTS) {
    const row = await findPlant(plant)
    rows.push(row)
    console.log(formatPlants([row]).split('\n').at(-1))
    if (row.seeds === undefined) failed++
  }
  console.log(`\n${formatPlants(rows)}\n\n${rows.length} bugs, ${rows.length - failed} noticed`)
}

function seconds(beganMs: number): string { return ((performance.now() - beganMs) / 1000).toFixed(0) }
