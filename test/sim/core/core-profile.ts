import type { Random } from '../../../src/base/random.ts'

/** What may happen in a step of the faulty part, and how likely it is: the rest of the steps move messages and disks on. */
export const EVENTS = ['tick', 'crash', 'churn', 'partition', 'propose', 'confChange', 'transfer', 'compact', 'read', 'pause', 'forget'] as const
export type CoreEvent = typeof EVENTS[number]

/**
 * How likely each fault is in one run. Drawn per seed, so that some runs have much of one fault and none of another (swarm testing). Shares of
 * EVENTS are per step; the others say how often a message, a write or a vote meets the fault.
 */
export interface Profile extends Readonly<Record<CoreEvent, number>> {
  readonly drop: number
  readonly duplicate: number
  readonly reorder: number
  /** Chance that a message goes behind all that are on their way. */
  readonly delay: number
  /** Chance that a node restarts right after it granted a vote, and another one campaigns. */
  readonly voteCrash: number
  /** Chance that a node stops in the middle of a write, whatever the reason: power, EIO, ENOSPC. A part of the write is on disk. */
  readonly writeCrash: number
  /** Chance that a node stops when its write is durable and nothing of it was sent. */
  readonly sendCrash: number
  /** Chance per turn that a disk is slow: its node goes on without it. */
  readonly slowDisk: number
  /** Clocks run up to this many times faster and slower than others. */
  readonly skew: number
}

const QUIET: Profile = {
  tick: 0.15, crash: 0, churn: 0, partition: 0, propose: 0.03, confChange: 0, transfer: 0, compact: 0, read: 0, pause: 0, forget: 0,
  drop: 0, duplicate: 0, reorder: 0, delay: 0, voteCrash: 0, writeCrash: 0, sendCrash: 0, slowDisk: 0, skew: 1,
}

/** Situations that chance rarely brings together. Each is a whole run's profile. */
const DIRECTED = {
  // Leaders that hardly commit anything (figure 8 of the paper).
  'leader ping-pong': (random: Random) => ({ ...QUIET, churn: 0.03 + random.next() * 0.04, reorder: random.next() * 0.3, drop: random.next() * 0.1, propose: 0.01 }),
  'crash after a vote': (random: Random) => ({ ...QUIET, voteCrash: 0.5, churn: 0.02, reorder: random.next(), duplicate: 0.05 }),
  'crash in a write': (random: Random) => ({ ...QUIET, writeCrash: 0.02 + random.next() * 0.1, sendCrash: 0.02 + random.next() * 0.1, crash: 0.01, churn: 0.01, propose: 0.1 }),
  'elections between old and new members': (random: Random) => ({ ...QUIET, confChange: 0.04, churn: 0.04, partition: 0.01, propose: 0.01, drop: random.next() * 0.05, slowDisk: random.next() * 0.5 }),
  'members come and go': (random: Random) => ({ ...QUIET, confChange: 0.02 + random.next() * 0.03, churn: 0.01, partition: 0.01, transfer: 0.005, compact: 0.01, drop: random.next() * 0.1, crash: 0.005 }),
  'snapshots and short logs': (random: Random) => ({ ...QUIET, compact: 0.1, crash: 0.01, partition: 0.01, propose: 0.1, drop: random.next() * 0.3, duplicate: 0.3, delay: 0.3, reorder: random.next(), writeCrash: 0.01 }),
  'reads from leaders of the past': (random: Random) => ({ ...QUIET, read: 0.08, churn: 0.02, pause: 0.01, reorder: random.next() * 0.5, delay: random.next() * 0.3, propose: 0.05, transfer: 0.005, forget: 0.01 }),
} satisfies Readonly<Record<string, (random: Random) => Profile>>
export type DirectedProfile = keyof typeof DIRECTED

const DIRECTED_SHARE = 0.05
const TICK_SHARE_MIN = 0.05
const SKEW_MAX = 10

/** @param directed this one, rather than whatever the seed says */
export function createProfile(random: Random, directed?: DirectedProfile): Profile {
  const names = Object.keys(DIRECTED) as readonly DirectedProfile[]
  const name = directed ?? names[Math.floor(random.next() / DIRECTED_SHARE)]
  if (name !== undefined) return DIRECTED[name](random)
  // Log-uniform between 1/1000 and the maximum, or not at all.
  const share = (max: number): number => random.next() < 0.3 ? 0 : max * 1000 ** -random.next()
  return {
    drop: share(0.3), duplicate: share(0.2), reorder: share(1), delay: share(0.3), crash: share(0.02), partition: share(0.02), propose: 0.02 + share(0.05),
    confChange: share(0.01), transfer: share(0.01), compact: share(0.03), read: share(0.03), churn: share(0.03), pause: share(0.02), forget: share(0.01),
    voteCrash: share(0.3), writeCrash: share(0.05), sendCrash: share(0.05), slowDisk: share(0.9),
    skew: random.next() < 0.6 ? 1 : SKEW_MAX ** random.next(), tick: TICK_SHARE_MIN + random.next() * 0.25,
  }
}
