import { CLUSTER_PLANTS } from './cluster/cluster-plants.ts'
import { runClusterSimulation } from './cluster/cluster-simulation.ts'
import { SafetyViolation } from './core/core-invariants.ts'
import { CORE_PLANTS } from './core/core-plants.ts'
import { runCoreSimulation } from './core/core-simulation.ts'

export type Rung = 'core' | 'cluster'

/** Faulty steps of a seed of the core; settling adds some. */
export const CORE_STEPS = 5000

/** Seeds to run, as plain data: they may go to another thread. */
export interface SimBatch {
  readonly rung: Rung
  readonly from: number
  readonly count: number
  /** From one seed to the next. Default 1. */
  readonly stride?: number
  /** Stops early once this many steps were made. */
  readonly stepsMax?: number
  /** A bug to put in, by name. */
  readonly plant?: string
  /** Stops at the first failure. */
  readonly isStoppedByFailure?: boolean
  /** Simulated milliseconds with faults per seed of the cluster. */
  readonly faultyMs?: number
  /** Report what the managers of a failing cluster said last. */
  readonly isVerbose?: boolean
}

export interface SimFailure { readonly seed: number; readonly message: string }
/** `steps`: of the core's simulation; 0 for clusters. */
export interface SimBatchResult { readonly seeds: number; readonly steps: number; readonly failures: readonly SimFailure[] }

/** Runs seeds one after the other in this thread. */
export async function runBatch(batch: SimBatch): Promise<SimBatchResult> {
  const failures: SimFailure[] = []
  let steps = 0
  let seeds = 0
  while (seeds < batch.count && steps < (batch.stepsMax ?? Infinity)) {
    const seed = batch.from + seeds++ * (batch.stride ?? 1)
    try {
      steps += batch.rung === 'core' ? runCore(batch, seed) : await runCluster(batch, seed, failures)
    } catch (error) {
      steps += CORE_STEPS
      failures.push({ seed, message: error instanceof SafetyViolation ? error.message : String(error instanceof Error ? error.stack : error) })
      if (batch.isStoppedByFailure === true) break
    }
  }
  return { seeds, steps: batch.rung === 'core' ? steps : 0, failures }
}

function runCore({ plant }: SimBatch, seed: number): number {
  const planted = CORE_PLANTS.find(({ name }) => name === plant)
  return runCoreSimulation({ seed, steps: CORE_STEPS, ...(planted === undefined ? {} : { seams: planted.seams }), ...(planted?.profile === undefined ? {} : { profile: planted.profile }) }).steps
}

async function runCluster({ plant, faultyMs, isVerbose }: SimBatch, seed: number, failures: SimFailure[]): Promise<number> {
  const planted = CLUSTER_PLANTS.find(({ name }) => name === plant)
  const onFailure = (message: string): void => { failures.push({ seed, message }) }
  await runClusterSimulation({ seed, ...(faultyMs === undefined ? {} : { faultyMs }), ...(planted === undefined ? {} : { plant: planted }), ...(isVerbose === true ? { onFailure } : {}) })
  return 0
}
