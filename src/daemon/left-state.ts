import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

/** Why a manager's state is of no use to its cluster any more. */
export type LeftReason = 'removed' | 'other-fork'

const MARK = 'left'
const KEPT = '.other-fork'
const UNSURE = '.kept'

/** Marks a manager's folder: who starts a manager in it next begins with none. */
export function markLeft(stateFolder: string, reason: LeftReason): void { writeFileSync(join(stateFolder, MARK), reason) }

/**
 * Clears the folder if it is marked, or in any case with `always`. The state of another fork of the cluster may hold what is nowhere else: it is kept
 * beside, the last one, for an operator who forced the wrong manager.
 */
export function putAwayLeftState(stateFolder: string, { always = false } = {}): void {
  const mark = join(stateFolder, MARK)
  const reason = existsSync(mark) ? readFileSync(mark, 'utf8') : undefined
  if (reason === undefined && !always) return
  if (reason === 'other-fork') {
    rmSync(stateFolder + KEPT, { recursive: true, force: true })
    renameSync(stateFolder, stateFolder + KEPT)
  }
  rmSync(stateFolder, { recursive: true, force: true })
}

/** Whether the manager of this folder has said why its state counts no more. */
export function isMarkedLeft(stateFolder: string): boolean { return existsSync(join(stateFolder, MARK)) }

/** Keeps a state aside of which nobody has said why it counts no more: it may be another fork's. A state that is known to be one is not replaced by it. */
export function keepUnsureState(stateFolder: string): void {
  if (!existsSync(stateFolder)) return
  const kept = existsSync(stateFolder + KEPT) ? stateFolder + UNSURE : stateFolder + KEPT
  rmSync(kept, { recursive: true, force: true })
  renameSync(stateFolder, kept)
}

/** Puts a copy of the file with a state that was kept aside, if there is one: what opens it. */
export function keepWithLeftState(stateFolder: string, file: string): void {
  if (existsSync(stateFolder + KEPT) && existsSync(file)) copyFileSync(file, join(stateFolder + KEPT, basename(file)))
}
