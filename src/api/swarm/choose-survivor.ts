import type { LogEndResponse, SurveyedManager } from './recovery.ts'

/** What to do about a cluster, by what its managers' logs end with. */
export type SurvivorChoice =
  /** More than half of the voters answer: they elect a leader by themselves, or have one. */
  | { readonly kind: 'has-quorum'; readonly answering: number; readonly voters: number }
  /** Too few answer; of those this one's log has everything that the others' have. */
  | { readonly kind: 'recover'; readonly newest: SurveyedManager; readonly answering: number; readonly voters: number }
  | { readonly kind: 'nobody'; readonly voters: number }

/** The newest of the survivors, as Raft compares logs (paper, 5.4.1): the last entry's term, then its index. Learners count where no voter is newer. */
export function chooseSurvivor(managers: readonly SurveyedManager[]): SurvivorChoice {
  const voters = managers.filter(({ member }) => member?.learner !== true).length
  const answering = managers.filter(({ member, logEnd }) => member?.learner !== true && logEnd !== undefined).length
  const newest = managers.filter(({ logEnd }) => logEnd !== undefined).toSorted((a, b) => compareLogs(b.logEnd, a.logEnd) || Number(a.member?.learner === true) - Number(b.member?.learner === true))[0]
  if (newest === undefined) return { kind: 'nobody', voters }
  return answering > voters / 2 ? { kind: 'has-quorum', answering, voters } : { kind: 'recover', newest, answering, voters }
}

function compareLogs(a: LogEndResponse | undefined, b: LogEndResponse | undefined): number {
  return (a?.lastTerm ?? 0) - (b?.lastTerm ?? 0) || (a?.lastIndex ?? 0) - (b?.lastIndex ?? 0)
}
