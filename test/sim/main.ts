import { parseArgs } from 'node:util'
import { CLUSTER_PLANTS } from './cluster/cluster-plants.ts'
import { runClusterSimulation } from './cluster/cluster-simulation.ts'
import { CORE_PLANTS } from './core/core-plants.ts'
import { runCoreSimulation } from './core/core-simulation.ts'

/** How many seeds a rung takes when none are asked for: about a minute each. */
const SEEDS = { core: 5000, cluster: 60 }
const CORE_STEPS = 5000

const names = (plants: readonly { readonly name: string }[]): string => plants.map(({ name }) => name).join(' ')
const USAGE = `usage: node dist/test/sim/main.js [--seeds N] [--from S] [--rung core|cluster] [--plant BUG] [--faulty SECONDS] [--log]
  --seeds N    how many seeds; a minute's worth if not given
  --from S     the first seed; 1 if not given
  --rung       core: the Raft core on memory disks. cluster: managers, agents and a client. Both if not given
  --plant BUG  put a bug in, to see it found; of the core: ${names(CORE_PLANTS)}; of the cluster: ${names(CLUSTER_PLANTS)}
  --faulty S   simulated seconds with faults per seed of the cluster; 30 if not given
  --log        print what the managers of a failing cluster said last`

const { values } = parseArgs({ options: {
  seeds: { type: 'string' }, from: { type: 'string', default: '1' }, rung: { type: 'string' }, plant: { type: 'string' }, faulty: { type: 'string' }, log: { type: 'boolean', default: false }, help: { type: 'boolean' },
} })
const corePlant = CORE_PLANTS.find(({ name }) => name === values.plant)
const clusterPlant = CLUSTER_PLANTS.find(({ name }) => name === values.plant && values.rung !== 'core')
const isUnknown = values.plant !== undefined && corePlant === undefined && clusterPlant === undefined
if (values.help === true || isUnknown || ![undefined, 'core', 'cluster'].includes(values.rung)) {
  console.log(USAGE)
  process.exit(values.help === true ? 0 : 2)
}

let failed = 0
if (values.rung !== 'cluster' && clusterPlant === undefined) {
  await runSeeds('core', SEEDS.core, async seed => runCoreSimulation({ seed, steps: CORE_STEPS, ...(corePlant === undefined ? {} : { seams: corePlant.seams }) }))
}
if (values.rung !== 'core' && (clusterPlant !== undefined || corePlant === undefined)) {
  const onFailure = values.log ? (report: string): void => console.log(report) : undefined
  await runSeeds('cluster', SEEDS.cluster, seed => runClusterSimulation({ seed, ...(values.faulty === undefined ? {} : { faultyMs: Number(values.faulty) * 1000 }), ...(clusterPlant === undefined ? {} : { plant: clusterPlant }), ...(onFailure === undefined ? {} : { onFailure }) }))
}
process.exitCode = failed === 0 ? 0 : 1

async function runSeeds(rung: string, usual: number, run: (seed: number) => Promise<unknown>): Promise<void> {
  const from = Number(values.from)
  const count = Number(values.seeds ?? usual)
  const bad: number[] = []
  for (let seed = from; seed < from + count; seed++) {
    try {
      await run(seed)
    } catch (error) {
      bad.push(seed)
      console.log(`${rung} seed ${seed}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  failed += bad.length
  console.log(`${rung}: ${count} seeds from ${from}, ${bad.length} failed${bad.length === 0 ? '' : `: ${bad.join(' ')}`}`)
}
