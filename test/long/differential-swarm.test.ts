/** The life of a swarm of one node, told to Debian's dockerd and to Shoal by the stock CLI: exit status, output and error texts must be the same. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { LiveRecord } from '../coverage/live-record.ts'
import { SWARM_STORY } from '../coverage/proofs.ts'
import { Lab } from '../support/lab.ts'
import { Peer } from '../support/peer.ts'
import { SWARM_DIFFERENCES } from './cases/differences.ts'
import { SWARM_CASES } from './cases/swarm-cases.ts'
import { Daemon } from './differential/daemon.ts'

let lab: Lab
let peer: Peer
let folder: string
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'differential-'))
  lab = await Lab.up('shoallongswarm', 1)
  peer = await Peer.up('shoalswarmpeer')
})
after(async () => {
  await Promise.all([lab?.[Symbol.asyncDispose](), peer?.[Symbol.asyncDispose]()])
  rmSync(folder, { recursive: true, force: true })
})

const record = new LiveRecord()
for (const [index, { args, ...options }] of SWARM_CASES.entries()) {
  const line = args.join(' ')
  test(`${index + 1}: docker ${line}`, async () => {
    const [theirs, ours] = await Promise.all([peer.socket, lab.socket(1)].map(async socket => new Daemon(socket).ask({ args, ...options }, { program: 'docker', prefix: '~', folder })))
    const difference = SWARM_DIFFERENCES.find(each => each.line === line)
    if (ours !== undefined) record.take(SWARM_STORY, { line, step: { line }, ours })
    if (difference === undefined) assert.deepEqual(ours, theirs)
    else assert.notDeepEqual(ours, theirs, `no longer differs: remove it from the table (${difference.reason})`)
  })
}

test('Shoal accepts each flag that this proves', () => { assert.deepEqual(record.unprovedFlags(), []) })
