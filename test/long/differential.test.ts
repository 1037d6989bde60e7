/**
 * The same stories told to Debian's dockerd and to Shoal by the stock CLI, a new one and the old one: exit status, output and error texts must be the same.
 * One area or story: node --test --test-name-pattern='^volume' dist/test/long/differential.test.js
 * COVERAGE_UPDATE=1 writes which flags and operations a whole run proved into the tables of test/coverage.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { LiveRecord } from '../coverage/live-record.ts'
import { DebianRegistry } from '../support/debian-registry.ts'
import { Lab } from '../support/lab.ts'
import { Peer } from '../support/peer.ts'
import { SCENARIOS } from './cases/all-cases.ts'
import { DIFFERENCES } from './cases/differences.ts'
import { REGISTRIES } from './cases/registry-cases.ts'
import { Daemon } from './differential/daemon.ts'
import { fault, runScenario, type Daemons } from './differential/run-scenario.ts'

/** More than cores: the real dockerd waits for much. */
const CONCURRENCY = 6
/** One of today, where it is installed, and Debian's, of the age of its dockerd. */
const CLIENTS = ([['28', '/usr/local/bin/docker'], ['20.10', '/usr/bin/docker']] as const).filter(([, program]) => existsSync(program))

let lab: Lab
let peer: Peer
let daemons: Daemons
const registries: AsyncDisposable[] = []
before(async () => {
  lab = await Lab.up('shoallongdiff', 1, { flags: ['--log-level', 'debug'] })
  peer = await Peer.up('shoallongpeer')
  for (const hosts of [lab, peer]) for (const options of REGISTRIES) registries.push(await DebianRegistry.start(hosts, 1, options))
  daemons = { theirs: new Daemon(peer.socket), ours: new Daemon(lab.socket(1)) }
})
after(async () => {
  for (const each of registries) await each[Symbol.asyncDispose]()
  await Promise.all([lab?.[Symbol.asyncDispose](), peer?.[Symbol.asyncDispose]()])
})

const differed = new Set<string>()
const ran = new Set<string>()
const record = new LiveRecord()
for (const alone of [false, true]) {
  describe(alone ? 'one after the other' : 'at once', { concurrency: alone ? 1 : CONCURRENCY }, () => {
    const all = [...SCENARIOS.entries()].filter(([, { scenario }]) => (scenario.alone === true) === alone)
    for (const [index, each] of [...all.filter(([, { scenario }]) => scenario.slow === true), ...all.filter(([, { scenario }]) => scenario.slow !== true)]) {
      test(`${each.area}: ${each.scenario.name}`, async () => {
        const faults: string[] = []
        for (const [client, program] of CLIENTS) {
          if (each.scenario.client !== undefined && each.scenario.client !== client) continue
          for (const compared of await runScenario(each.scenario, daemons, { program, prefix: `q${String(index).padStart(3, '0')}c${client.slice(0, 2)}` })) {
            ran.add(compared.line)
            record.take(`${each.area}: ${each.scenario.name}`, compared)
            const difference = DIFFERENCES.find(({ line }) => line === compared.line)
            if (difference !== undefined && fault(compared, undefined) !== undefined) differed.add(compared.line)
            const found = fault(compared, difference)
            if (found !== undefined) faults.push(`client ${client}: ${found}`)
          }
        }
        assert.ok(faults.length === 0, `\n${faults.join('\n')}`)
      })
    }
  })
}

test('every listed difference still is one', () => {
  assert.deepEqual(DIFFERENCES.filter(({ line, sometimes }) => sometimes !== true && ran.has(line) && !differed.has(line)).map(({ line }) => line), [])
})

test('Shoal accepts each flag in the scenario that proves it', () => {
  if (process.env['COVERAGE_UPDATE'] === '1') record.update(lab.log(1))
  assert.deepEqual(record.unprovedFlags(), [])
})

test('Shoal answers each operation that the scenarios prove', () => {
  assert.deepEqual(record.unprovedOperations(lab.log(1)), [])
})
