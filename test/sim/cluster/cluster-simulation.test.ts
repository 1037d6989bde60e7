import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addEvents, missingEvents, type EventCounts } from '../sim-events.ts'
import { DIRECTED_CLUSTER_PROFILES, type DirectedClusterProfile } from './cluster-profile.ts'
import { runClusterSimulation } from './cluster-simulation.ts'

/** One to two seconds each; the long profile runs more (test/sim/main.ts). */
const SEEDS = 6
/** Of each directed profile. */
const DIRECTED_SEEDS = 1

/** Of each, run as long as something has not been seen: which seed sees what moves with every change of the order in which things happen. */
const MORE_SEEDS_MAX = 12

/** What all runs together must have seen: about half of what they do see. */
const LEAST: EventCounts = {
  'leader elected': 20, 'leader steps down': 6, 'change acknowledged': 170, 'large change acknowledged': 3, 'read confirmed': 50, 'read marked stale': 1,
  'manager killed': 6, 'power cut': 8, 'power cut right after a restart': 1, 'agent killed': 6, 'process stopped for a while': 6, 'wall clock jumps': 7, 'torn write': 3,
  'halves': 5, 'one-way cut': 1, 'bridge': 2, 'log compacted': 60, 'snapshot sent': 18, 'snapshot installed': 18,
  'manager joins': 1, 'manager leaves': 2, 'member added': 23, 'member removed': 3, 'manager learns that it was removed': 2,
  'disk fails': 1, 'manager stops on a failing disk': 1, 'disk fills up': 6, 'manager stops on a full disk': 1, 'doubtful manager has caught up': 1,
  'proposal refused by the core': 45, 'proposal in several entries': 4,
}

let events: EventCounts = {}

async function run(seed: number, profile?: DirectedClusterProfile): Promise<void> {
  try {
    const result = await runClusterSimulation({ seed, ...profile === undefined ? {} : { profile } })
    events = addEvents(events, result.events)
  } catch (error) {
    const repeat = `node dist/test/sim/main.js --rung cluster --from ${seed} --seeds 1 --log${profile === undefined ? '' : ` --profile '${profile}'`}`
    throw new Error(`seed ${seed}: repeat with ${repeat}`, { cause: error })
  }
}

test(`${SEEDS} seeds of a whole cluster keep all promises and settle`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) await run(seed)
})

for (const profile of DIRECTED_CLUSTER_PROFILES) {
  test(`a whole cluster keeps all promises and settles: ${profile}`, async () => {
    for (let seed = 1; seed <= DIRECTED_SEEDS; seed++) await run(seed, profile)
  })
}

test('all that is to be survived has happened', async t => {
  for (let more = 1; more <= MORE_SEEDS_MAX; more++) {
    for (const profile of [undefined, ...DIRECTED_CLUSTER_PROFILES]) {
      if (missingEvents(events, LEAST).length > 0) await run((profile === undefined ? SEEDS : DIRECTED_SEEDS) + more, profile)
    }
  }
  t.diagnostic(JSON.stringify(events))
  assert.deepEqual(missingEvents(events, LEAST), [])
})

test('a seed repeats exactly', async () => {
  assert.deepEqual(await runClusterSimulation({ seed: 3 }), await runClusterSimulation({ seed: 3 }))
})
