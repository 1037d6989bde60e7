import { jointCommitted, jointIds, jointVote, majorityCommitted, majorityVote, type AckedIndex, type JointVoters, type VoteResult } from 'raft-ts/quorum'
import type { Block } from './datadriven.ts'

const RESULT_NAMES: Readonly<Record<VoteResult, string>> = { won: 'VoteWon', lost: 'VoteLost', pending: 'VotePending' }

/** Answers `committed` and `vote`. Where the answer must not change (halves exchanged, joined with itself or nothing) and does, says so too. */
export function handleQuorum(block: Block): string {
  const values = (key: string): readonly string[] | undefined => block.args.find(arg => arg.key === key)?.values
  const incoming = (values('cfg') ?? []).map(Number)
  const joined = values('cfgj')
  const outgoing = joined === undefined || joined[0] === 'zero' ? [] : joined.map(Number)
  const given = values(block.command === 'vote' ? 'votes' : 'idx') ?? []
  const ids = [...new Set([...incoming, ...outgoing])]
  if (ids.length !== given.length) return `error: mismatched input (explicit or _) for voters ${ids.join(' ')}: ${given.join(' ')}`
  const answers = new Map(ids.map((id, i) => [id, given[i] as string] as const).filter(([, answer]) => answer !== '_'))
  const voters = { incoming: new Set(incoming), outgoing: new Set(outgoing) }
  if (block.command === 'vote') return vote(voters, answers, joined !== undefined)
  if (block.command === 'committed') return committed(voters, answers, joined !== undefined)
  return `unknown command ${block.command}`
}

function vote(voters: JointVoters, answers: ReadonlyMap<number, string>, isJoint: boolean): string {
  const votes = new Map([...answers].map(([id, answer]) => [id, answer === 'y'] as const))
  const result = isJoint ? jointVote(voters, votes) : majorityVote(voters.incoming, votes)
  const mirrored = jointVote(swap(voters), votes)
  return `${mirrored === result ? '' : `${RESULT_NAMES[mirrored]} <-- via symmetry\n`}${RESULT_NAMES[result]}`
}

function committed(voters: JointVoters, answers: ReadonlyMap<number, string>, isJoint: boolean): string {
  const acked = (id: number): number | undefined => answers.has(id) ? Number(answers.get(id)) : undefined
  const index = isJoint ? jointCommitted(voters, acked) : majorityCommitted(voters.incoming, acked)
  const alternatives: [string, number][] = isJoint
    ? [['symmetry', jointCommitted(swap(voters), acked)]]
    : [
        ['alternative computation', countCommitted(voters.incoming, acked)],
        ['zero-joint quorum', jointCommitted({ incoming: voters.incoming, outgoing: new Set() }, acked)],
        ['self-joint quorum', jointCommitted({ incoming: voters.incoming, outgoing: voters.incoming }, acked)],
        ...overlays(voters.incoming, acked, index),
      ]
  const complaints = alternatives.filter(([, other]) => other !== index).map(([via, other]) => `${describeIndex(other)} <-- via ${via}\n`)
  return `${picture(jointIds(voters), acked)}${complaints.join('')}${describeIndex(index)}`
}

/** What stands below the committed index may sink further without changing it. */
function overlays(voters: ReadonlySet<number>, acked: AckedIndex, index: number): [string, number][] {
  return [...voters].flatMap(id => {
    const own = acked(id) ?? 0
    if (own === 0 || own >= index) return []
    return [own - 1, 0].map((lower): [string, number] => [`overlaying ${id}->${lower}`, majorityCommitted(voters, each => each === id ? lower : acked(each))])
  })
}

/** The definition taken literally: the highest acknowledged index that at least a majority has reached. */
function countCommitted(voters: ReadonlySet<number>, acked: AckedIndex): number {
  if (voters.size === 0) return Infinity
  const indexes = [...voters].map(id => acked(id) ?? 0)
  return Math.max(0, ...indexes.filter(index => indexes.filter(other => other >= index).length > voters.size / 2))
}

function swap({ incoming, outgoing }: JointVoters): JointVoters { return { incoming: outgoing, outgoing: incoming } }
function describeIndex(index: number): string { return index === Infinity ? '∞' : String(index) }

/** A bar per voter, as long as there are voters with a lower index. */
function picture(ids: readonly number[], acked: AckedIndex): string {
  if (ids.length === 0) return '<empty majority quorum>'
  const rows = ids.map(id => {
    const index = acked(id)
    const bar = ids.filter(other => (acked(other) ?? 0) < (index ?? 0)).length
    const drawn = index === undefined ? `?${' '.repeat(ids.length)}` : `${'x'.repeat(bar)}>${' '.repeat(ids.length - bar)}`
    return `${drawn} ${String(index ?? 0).padStart(5)}    (id=${id.toString(16)})\n`
  })
  return `${' '.repeat(ids.length)}    idx\n${rows.join('')}`
}
