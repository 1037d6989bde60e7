/** Runs `work` in the next turn of the event loop: what was written before it is on its way then. In the order of the calls. */
export function inNextTurn(work: () => void): void { setImmediate(work) }
