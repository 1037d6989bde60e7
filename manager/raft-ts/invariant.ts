/** A broken promise of the algorithm or of its caller: going on could lose committed entries, so it crashes. */
export class RaftInvariantError extends Error {
  override readonly name = 'RaftInvariantError'
}

/** Throws RaftInvariantError unless `condition` holds. */
export function invariant(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new RaftInvariantError(message())
}
