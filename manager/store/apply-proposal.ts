import type { Meta } from '../../src/api/swarm/objects.ts'
import type { Proposal } from '../../src/api/swarm/raft.ts'
import type { StoreChange } from './object-store.ts'
import { fromStoreObject, NAMED_KINDS, nameOf, versionOf, withMeta, type AnyObject, type KindedObject } from './store-object.ts'
import type { StoreState } from './store-state.ts'

export interface Applied { readonly state: StoreState; readonly changes: readonly StoreChange[] }

/**
 * Applies one log entry as a whole. Pure, and the same on every manager: versions are the entry's index, times the proposer's.
 * @param isApplied whether the proposal of this id was applied
 * @returns undefined when the entry refuses to apply, because what it was computed from had changed (another leader's entry came between)
 */
export function applyProposal(before: StoreState, index: number, proposal: Proposal, isApplied: (requestId: string) => boolean): Applied | undefined {
  if (proposal.after !== '' && !isApplied(proposal.after)) return undefined
  let state = before
  const changes: StoreChange[] = []
  for (const action of proposal.actions) {
    if (action.object === undefined) return undefined
    const target = fromStoreObject(action.object)
    const { kind, object } = target
    const old: AnyObject | undefined = state.get(kind, object.id)
    if ((old === undefined) !== (action.kind === 'create')) return undefined
    if (old !== undefined && action.presumed !== true && versionOf(old) !== versionOf(object)) return undefined
    if (action.kind === 'remove') {
      state = state.drop(kind, object.id)
      changes.push({ kind, action: 'remove', object: old, old } as StoreChange)
      continue
    }
    const meta: Meta = { version: index, createdAtMs: old?.meta?.createdAtMs ?? proposal.proposedAtMs, updatedAtMs: proposal.proposedAtMs }
    const stored = withMeta(object, meta)
    state = state.put(kind, stored)
    changes.push((old === undefined ? { kind, action: 'create', object: stored } : { kind, action: 'update', object: stored, old }) as StoreChange)
  }
  return changes.some(change => change.action !== 'remove' && !hasUniqueName(state, change)) ? undefined : { state: state.at(index), changes }
}

/** Names are checked last: within one entry they may change hands. One that stays what it was takes nobody's: who takes it is checked. */
function hasUniqueName(state: StoreState, { kind, object, old }: KindedObject & { readonly old?: AnyObject }): boolean {
  const name = nameOf(kind, object)
  if (old !== undefined && nameOf(kind, old) === name) return true
  return name === '' || !NAMED_KINDS.has(kind) || state.holdersOfName(kind, name, 2).length < 2
}
