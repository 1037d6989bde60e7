import type { Node } from '../../src/api/swarm/objects.ts'

/** True for a node whose tasks must go elsewhere: gone, down or drained. */
export function isNodeLost(node: Node | undefined): boolean { return isNodeDead(node) || node?.spec?.availability === 'drain' }

/** True for a node that nothing is heard from: waiting for its tasks to stop is pointless. */
export function isNodeDead(node: Node | undefined): boolean { return node === undefined || node.status?.state === 'down' }
