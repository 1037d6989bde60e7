import type { Random } from '../../../src/base/random.ts'

/** What goes wrong in a run, and how often: drawn per seed, so that some have much of one fault and none of another. Gaps are mean times between events. */
export interface ClusterProfile {
  readonly managerCrashGapMs: number
  readonly agentCrashGapMs: number
  readonly partitionGapMs: number
  readonly pauseGapMs: number
  readonly churnGapMs: number
  readonly clockJumpGapMs: number
  /** Writes fail (EIO), the disk is full (ENOSPC), a bit turns over, flushes were lies. */
  readonly diskFailureGapMs: number
  readonly diskFullGapMs: number
  readonly diskDamageGapMs: number
  readonly clientGapMs: number
  readonly lossRate: number
  readonly delayMaxMs: number
  readonly flushMsMax: number
  readonly failureRate: number
  /** Clocks run up to this many times faster and slower. */
  readonly skew: number
  /** Share of the client's configs that take several log entries. */
  readonly largeRate: number
  /** Chance that the core refuses a proposal for the moment, as it may for a transfer or for too much that is not committed. */
  readonly refusalRate: number
  /** One agent dies in the end and stays dead. */
  readonly losesAgent: boolean
}

const QUIET: ClusterProfile = {
  managerCrashGapMs: Infinity, agentCrashGapMs: Infinity, partitionGapMs: Infinity, pauseGapMs: Infinity, churnGapMs: Infinity, clockJumpGapMs: Infinity,
  diskFailureGapMs: Infinity, diskFullGapMs: Infinity, diskDamageGapMs: Infinity, clientGapMs: 400, lossRate: 0, delayMaxMs: 5, flushMsMax: 0, failureRate: 0,
  skew: 1, largeRate: 0, refusalRate: 0, losesAgent: false,
}

/** Situations that chance rarely brings together. Each is a whole run's profile. */
const DIRECTED = {
  'leaders that were stopped': (random: Random) => ({ ...QUIET, pauseGapMs: 2500, clientGapMs: 150, delayMaxMs: 5 + 50 * random.next() }),
  'tasks and workers that fail': (random: Random) => ({ ...QUIET, agentCrashGapMs: 3000, failureRate: 0.4 + 0.4 * random.next(), pauseGapMs: 12_000, clientGapMs: 2500, losesAgent: true }),
  'managers come and go': (random: Random) => ({ ...QUIET, churnGapMs: 2500, managerCrashGapMs: 8000, partitionGapMs: random.next() < 0.5 ? 8000 : Infinity, delayMaxMs: 5 + 100 * random.next() }),
  'disks that fill up and lie': (random: Random) => ({ ...QUIET, diskFullGapMs: 6000, diskDamageGapMs: 4000, diskFailureGapMs: 15_000, managerCrashGapMs: 10_000, flushMsMax: 20 * random.next() }),
  'large changes by leaders that die': (random: Random) => ({ ...QUIET, largeRate: 0.7, managerCrashGapMs: 2500, clientGapMs: 500, delayMaxMs: 50 + 100 * random.next(), flushMsMax: 30 }),
  'answers that get lost': (random: Random) => ({ ...QUIET, managerCrashGapMs: 3500, churnGapMs: 6000, clientGapMs: 80, lossRate: 0.01, flushMsMax: 60 + 60 * random.next(), delayMaxMs: 60, refusalRate: 0.1 }),
} satisfies Readonly<Record<string, (random: Random) => ClusterProfile>>
export type DirectedClusterProfile = keyof typeof DIRECTED
export const DIRECTED_CLUSTER_PROFILES = Object.keys(DIRECTED) as readonly DirectedClusterProfile[]

const DIRECTED_SHARE = 0.05
const SKEW_MAX = 1.3

/** @param directed this one, rather than whatever the seed says */
export function createClusterProfile(random: Random, directed?: DirectedClusterProfile): ClusterProfile {
  const name = directed ?? DIRECTED_CLUSTER_PROFILES[Math.floor(random.next() / DIRECTED_SHARE)]
  if (name !== undefined) return DIRECTED[name](random)
  const gapMs = (leastMs: number, share = 0.7): number => random.next() < share ? leastMs * 10 ** random.next() : Infinity
  const isOff = (): boolean => random.next() < 0.4
  return {
    managerCrashGapMs: gapMs(4000), agentCrashGapMs: gapMs(4000), partitionGapMs: gapMs(5000), pauseGapMs: gapMs(4000, 0.5), churnGapMs: gapMs(4000, 0.3),
    clockJumpGapMs: gapMs(4000, 0.3), diskFailureGapMs: gapMs(8000, 0.25), diskFullGapMs: gapMs(8000, 0.25), diskDamageGapMs: gapMs(10_000, 0.25),
    clientGapMs: 200 * 10 ** random.next(), lossRate: isOff() ? 0 : 0.02 * random.next(), delayMaxMs: isOff() ? 5 : 10 * 30 ** random.next(), flushMsMax: isOff() ? 0 : 100 * random.next(),
    failureRate: isOff() ? 0 : 0.5 * random.next(), skew: isOff() ? 1 : SKEW_MAX ** random.next(), largeRate: random.next() < 0.1 ? 0.1 : 0,
    refusalRate: random.next() < 0.3 ? 0.05 : 0, losesAgent: random.next() < 0.3,
  }
}
