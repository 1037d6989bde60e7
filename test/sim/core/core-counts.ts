/** How often what happened in a run of the core. */
export type CoreCounts = ReturnType<typeof createCoreCounts>

export function createCoreCounts() {
  return {
    'leader elected': 0, 'leader steps down': 0, 'vote granted': 0, 'leadership handed over': 0,
    'machine crashed': 0, 'write torn': 0, 'crash between flush and send': 0, 'restart right after a vote': 0, 'node paused': 0,
    'entry committed': 0, 'uncommitted entry replaced': 0, 'snapshot taken': 0, 'snapshot installed': 0,
    'membership change applied': 0, 'joint configuration entered': 0, 'learner added': 0,
    'read served': 0, 'read by a follower': 0, 'message lost': 0, 'message doubled': 0, 'message delayed': 0,
    'halves': 0, 'one-way cut': 0, 'bridge': 0, 'ring': 0, 'leader forgotten': 0, 'removed leader stopped': 0,
  }
}
