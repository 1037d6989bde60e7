import { CLUSTER_PLANTS } from './cluster/cluster-plants.ts'
import type { DirectedClusterProfile } from './cluster/cluster-profile.ts'
import { runClusterSimulation } from './cluster/cluster-simulation.ts'
import { SafetyViolation } from './core/core-invariants.ts'
import { CORE_PLANTS } from './core/core-plants.ts'
import { runCoreSimulation } from './core/core-simulation.ts'
import { addEvents, type EventCounts } from './sim-events.ts'

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
  /** Of the core: other invariants are not looked at. */
  readonly only?: string
  /** Stops at the first failure. */
  readonly isStoppedByFailure?: boolean
  /** Of clusters: every seed takes this one. */
  readonly profile?: DirectedClusterProfile
  /** Simulated milliseconds with faults per seed of the cluster. */
  readonly faultyMs?: number
  /** Report what the managers of a failing cluster said last. */
  readonly isVerbose?: boolean
}

export interface SimFailure { readonly seed: number; readonly message: string }
/** `steps`: of the core's simulation; 0 for clusters. */
export interface SimBatchResult { readonly seeds: number; readonly steps: number; readonly failures: readonly SimFailure[]; readonly events: EventCounts }

/** Runs seeds one after the other in this thread. */
export async function runBatch(batch: SimBatch): Promise<SimBatchResult> {
  const failures: SimFailure[] = []
  let steps = 0
  let seeds = 0
  let events: EventCounts = {}
  while (seeds < batch.count && steps < (batch.stepsMax ?? Infinity)) {
    const seed = batch.from + seeds++ * (batch.stride ?? 1)
    try {
      const run = batch.rung === 'core' ? runCore(batch, seed) : await runCluster(batch, seed, failures)
      steps += run.steps
      events = addEvents(events, run.events)
    } catch (error) {
      steps += CORE_STEPS
      failures.push({ seed, message: error instanceof SafetyViolation ? error.message : String(error instanceof Error ? error.stack : error) })
      if (batch.isStoppedByFailure === true) break
    }
  }
  return { seeds, steps: batch.rung === 'core' ? steps : 0, failures, events }
}

interface SeedRun { readonly steps: number; readonly events: EventCounts }

function runCore({ plant, only }: SimBatch, seed: number): SeedRun {
  const planted = CORE_PLANTS.find(({ name }) => name === plant)
  return runCoreSimulation({ seed, steps: CORE_STEPS, ...(only === undefined ? {} : { only }), ...(planted === undefined ? {} : { seams: planted.seams }), ...(planted?.profile === undefined ? {} : { profile: planted.profile }) })
}

async function runCluster({ plant, faultyMs, isVerbose, profile }: SimBatch, seed: number, failures: SimFailure[]): Promise<SeedRun> {
  const planted = CLUSTER_PLANTS.find(({ name }) => name === plant)
  const onFailure = (message: string): void => { failures.push({ seed, message }) }
  const { events } = await runClusterSimulation({ seed, ...(profile === undefined ? {} : { profile }), ...(faultyMs === undefined ? {} : { faultyMs }), ...(planted === undefined ? {} : { plant: planted }), ...(isVerbose === true ? { onFailure } : {}) })
  return { steps: 0, events }
}
