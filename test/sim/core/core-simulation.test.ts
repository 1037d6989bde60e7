import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addEvents, missingEvents, type EventCounts } from '../sim-events.ts'
import { findPlant, PLANT_SEEDS_MAX, PLANTS } from '../plant-table.ts'
import { runBatch } from '../sim-batch.ts'
import { runCoreSimulation } from './core-simulation.ts'

const STEPS = 5000
/** Two million steps; the long tests make 60 million. */
const SEEDS = 300
/** Within so many seeds an invariant notices its bug: the slowest needs twenty. */
const PROOF_SEEDS = 60

/** What these must have seen: about half of what they do see. */
const LEAST: EventCounts = {
  'leader elected': 900, 'leader steps down': 350, 'vote granted': 2400, 'leadership handed over': 45, 'machine crashed': 4000, 'write torn': 400, 'crash between flush and send': 200,
  'restart right after a vote': 140, 'node paused': 800, 'entry committed': 3700, 'uncommitted entry replaced': 250, 'snapshot taken': 700, 'snapshot installed': 85,
  'membership change applied': 470, 'joint configuration entered': 180, 'learner added': 100, 'read served': 220, 'read by a follower': 110,
  'message lost': 15_000, 'message doubled': 1600, 'message delayed': 2600, 'halves': 800, 'one-way cut': 340, 'bridge': 240, 'ring': 100, 'leader forgotten': 480,
}

test(`${SEEDS} seeds of the Raft core keep all promises`, () => {
  let events: EventCounts = {}
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      events = addEvents(events, runCoreSimulation({ seed, steps: STEPS }).events)
    } catch (error) {
      throw new Error(`seed ${seed}: repeat with node dist/test/sim/main.js --rung core --from ${seed} --seeds 1 --log`, { cause: error })
    }
  }
  assert.deepEqual(missingEvents(events, LEAST), [], 'the simulation does too little')
})

for (const plant of PLANTS.filter(({ rung }) => rung === 'core')) {
  test(`the simulation notices when ${plant.what}`, async () => {
    const { seeds } = await findPlant(plant)
    assert.ok(seeds !== undefined, `${plant.name} went unnoticed for ${PLANT_SEEDS_MAX.core} seeds`)
  })
}

/** A bug that each invariant notices although all others look away. */
const PROOFS: Readonly<Record<string, string>> = {
  ElectionSafety: 'vote-forgotten', VotesPersist: 'vote-forgotten', SentIsDurable: 'ack-before-flush', LeaderCompleteness: 'vote-without-log-check', LogMatching: 'append-without-term-check',
  StateMachineSafety: 'append-without-term-check', CommittedIsDurable: 'commit-without-quorum', CommitMonotonic: 'snapshot-goes-back', OneChangeAtATime: 'two-changes-at-once',
  ReadsAreFresh: 'read-without-quorum', QuorumLogInv: 'commit-without-quorum', LogInv: 'commit-beyond-log', TermMonotonic: 'old-leader-followed', AppliedMonotonic: 'entry-not-handed-out', StaysCalm: 'heartbeat-not-heard',
  MoreUpToDateCorrect: 'commit-of-old-term',
}

for (const [only, plant] of Object.entries(PROOFS)) {
  test(`${only} alone notices ${plant}`, async () => {
    const others: string[] = []
    for (let from = 1; from <= PROOF_SEEDS; from++) {
      const { failures } = await runBatch({ rung: 'core', from, count: 1, plant, only })
      if (failures.some(({ message }) => message.startsWith(only))) return
      others.push(...failures.map(({ message }) => message.slice(0, 40)))
    }
    assert.fail(`not in ${PROOF_SEEDS} seeds: ${others.join('; ')}`)
  })
}

test('a seed repeats exactly', () => {
  assert.deepEqual(runCoreSimulation({ seed: 7, steps: STEPS }), runCoreSimulation({ seed: 7, steps: STEPS }))
})
