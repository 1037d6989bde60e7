import { CLUSTER_PLANTS } from './cluster/cluster-plants.ts'
import { CORE_PLANTS } from './core/core-plants.ts'
import { runBatch, type Rung } from './sim-batch.ts'

/** A bug that this many seeds don't show would go unnoticed. Seeds count from 1. */
export const PLANT_SEEDS_MAX = { core: 400, cluster: 30 }

export interface PlantRow {
  readonly rung: Rung
  readonly name: string
  readonly what: string
  readonly profile: string
  /** How many seeds it took; undefined if none showed it. */
  readonly seeds: number | undefined
  readonly steps: number
  readonly invariant: string
}

/** All bugs that can be planted. */
export const PLANTS: readonly Pick<PlantRow, 'rung' | 'name' | 'what' | 'profile'>[] = [
  ...CORE_PLANTS.map(({ name, what, profile }) => ({ rung: 'core' as const, name, what, profile: profile ?? 'random' })),
  ...CLUSTER_PLANTS.map(({ name, what, profile }) => ({ rung: 'cluster' as const, name, what, profile: profile ?? 'random' })),
]

/** Runs seeds with the bug until one shows it. */
export async function findPlant(plant: typeof PLANTS[number]): Promise<PlantRow> {
  const { seeds, steps, failures } = await runBatch({ rung: plant.rung, from: 1, count: PLANT_SEEDS_MAX[plant.rung], plant: plant.name, isStoppedByFailure: true })
  const invariant = /^\w+/.exec(failures[0]?.message ?? '')?.[0] ?? ''
  return { ...plant, seeds: failures.length === 0 ? undefined : seeds, steps, invariant }
}

/** The table of README.md. */
export function formatPlants(rows: readonly PlantRow[]): string {
  const lines = rows.map(({ rung, name, what, profile, seeds, steps, invariant }) =>
    `| ${rung} | ${name} | ${what} | ${profile} | ${seeds === undefined ? `not in ${PLANT_SEEDS_MAX[rung]}` : `${seeds}${rung === 'core' ? ` (${steps.toLocaleString('en')} steps)` : ''}`} | ${invariant} |`)
  return ['| rung | bug | what it does | profile | seeds until it showed | noticed by |', '| --- | --- | --- | --- | --- | --- |', ...lines].join('\n')
}
