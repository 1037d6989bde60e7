import { parseArgs } from 'node:util'
import { CORE_PLANTS } from './core/core-plants.ts'
import { runCoreSimulation } from './core/core-simulation.ts'

const USAGE = `usage: node dist/test/sim/main.js [--seeds N] [--from S] [--rung core] [--plant BUG] [--steps N]
  --plant BUG  put a bug in, to see it found; one of: ${CORE_PLANTS.map(({ name }) => name).join(' ')}`

const { values } = parseArgs({ options: {
  seeds: { type: 'string', default: '100' }, from: { type: 'string', default: '1' }, steps: { type: 'string' }, rung: { type: 'string' }, plant: { type: 'string' }, help: { type: 'boolean' },
} })
const plant = CORE_PLANTS.find(({ name }) => name === values.plant)
if (values.help === true || (values.plant !== undefined && plant === undefined)) {
  console.log(USAGE)
  process.exit(values.help === true ? 0 : 2)
}
const from = Number(values.from)
const failed: number[] = []
for (let seed = from; seed < from + Number(values.seeds); seed++) {
  try {
    runCoreSimulation({ seed, steps: Number(values.steps ?? 5000), ...(plant === undefined ? {} : { seams: plant.seams }) })
  } catch (error) {
    failed.push(seed)
    console.log(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
console.log(`${values.seeds} seeds from ${from}: ${failed.length} failed${failed.length === 0 ? '' : `: ${failed.join(' ')}`}`)
process.exitCode = failed.length === 0 ? 0 : 1
