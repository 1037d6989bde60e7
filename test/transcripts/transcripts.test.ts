import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseTranscript } from './datadriven.ts'
import { runTranscript, runTranscripts } from './run-transcripts.ts'

const DATA = 'test/transcripts/data'
/** Blocks in etcd's data, so that a reader that loses some is noticed. */
const BLOCKS = { confchange: 58, interaction: 558, quorum: 127 }

for (const [kind, count] of Object.entries(BLOCKS)) {
  test(`the core reproduces all ${count} blocks of etcd's ${kind} transcripts, log lines included`, () => {
    const results = runTranscripts(join(DATA, kind), 'text')
    assert.deepEqual(results.flatMap(({ failure }) => failure ?? []), [])
    assert.equal(results.reduce((sum, { passed }) => sum + passed, 0), count)
    assert.ok(results.every(result => result.kind === kind && result.skipped === 0))
  })
}

test('a transcript that expects something else fails there and skips the rest', () => {
  const path = join(DATA, 'interaction/campaign.txt')
  const text = readFileSync(path, 'utf8').replace('1->2 MsgVote Term:1 Log:1/2', '1->2 MsgVote Term:1 Log:1/3')
  const { failure, passed, skipped } = runTranscript(path, text, 'strict')
  assert.equal(failure?.command, 'stabilize')
  assert.equal(passed + 1 + skipped, parseTranscript(text).length)
})

test('the strict comparison ignores log lines only', () => {
  const head = 'add-nodes 1 voters=(1) index=3\n----\nINFO other words\n\nraft-state\n----\n'
  assert.equal(runTranscript('x.txt', `${head}1: StateFollower (Voter) Term:0 Lead:0\n`, 'strict').failure, undefined)
  assert.equal(runTranscript('x.txt', `${head}1: StateLeader (Voter) Term:0 Lead:0\n`, 'strict').failure?.line, 5)
})

test('arguments are read with lists, blanks and continued lines', () => {
  const [block] = parseTranscript('# comment\n\ncommitted cfg=(1, 2) \\\n  idx=(_,5)\nin\nput\n----\nout\n')
  assert.deepEqual(block, {
    line: 3, command: 'committed', input: 'in\nput', expected: 'out', args: [{ key: 'cfg', values: ['1', '2'] }, { key: 'idx', values: ['_', '5'] }],
  })
})
