/**
 * Managers as real processes under a load of reads and compare-and-sets through all of them, while they are killed, frozen, cut off, filled up, promoted
 * and demoted. The history must be linearizable and all managers must hold the same in the end. CHAOS_MINUTES=20 goes on for so long; SEED=n repeats the order; HISTORY=file is for npm run history.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { randomInt } from '../../src/base/random.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { checkHistory } from '../history/check-history.ts'
import type { Operation } from '../history/operation.ts'
import { Lab } from '../support/lab.ts'
import { differences } from './manager-chaos/manager-connection.ts'
import { describeFault, Nemesis, type Fault } from './manager-chaos/nemesis.ts'
import { call, RegisterClient } from './manager-chaos/register-client.ts'

const HOSTS = [1, 2, 3, 4, 5]
const MANAGERS = [1, 2, 3]
const SMALL_DISK = 2
const SMALL_DISK_MB = 256
const KEYS = ['r0', 'r1', 'r2', 'r3', 'r4']
const CLIENTS = 6
/** Of a history that is not linearizable: the last ones that are explained, and those that are not. */
const SHOWN_OPERATIONS = 20
const minutes = Number(process.env['CHAOS_MINUTES'] ?? 0)
const seed = Number(process.env['SEED'] ?? 1)
/** Of SIGSTOP and partitions: up to 30 s in a long run. */
const FAULT_MS_MAX = minutes > 0 ? 30_000 : 5000
const HISTORY_FILE = process.env['HISTORY']
/** A folder that gets the daemons' logs when a fault is not got over. */
const LOGS = process.env['LOGS']

const random = new SeededRandom(seed)
const history: Operation[] = []
const stop = new AbortController()
let lab: Lab
let nemesis: Nemesis
let clients: Promise<unknown> = Promise.resolve()

before(async () => {
  lab = await Lab.up('shoalmchaos', HOSTS.length, { images: false })
  await lab.lab('stop', String(SMALL_DISK))
  const [image, data] = [join(lab.folder, 'disk.img'), join(lab.folder, `h${SMALL_DISK}/data`)]
  rmSync(data, { recursive: true, force: true })
  mkdirSync(data)
  execFileSync('truncate', ['-s', `${SMALL_DISK_MB}M`, image])
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image])
  const mounted = await lab.lab('exec', String(SMALL_DISK), 'mount', '-o', 'loop', image, data)
  assert.equal(mounted.status, 0, mounted.stderr)
  await lab.start(SMALL_DISK)
  await lab.form(HOSTS.length, MANAGERS.length)
  nemesis = new Nemesis(lab, { hosts: HOSTS, managers: MANAGERS, smallDisk: SMALL_DISK })
  for (const key of KEYS) assert.equal((await call(lab.socket(1), 'POST', '/configs/create', { Name: key, Data: 'eA==' })).status, 201)
  const sockets = MANAGERS.map(host => lab.socket(host))
  clients = Promise.all(Array.from({ length: CLIENTS }, async (_, i) => new RegisterClient({ name: `c${i}`, sockets, forsaken: nemesis.forsaken, keys: KEYS, history, random: () => random.next() }).run(stop.signal)))
})
after(async () => {
  stop.abort()
  await clients
  await lab?.[Symbol.asyncDispose]()
})

for (const fault of minutes > 0 ? [] : shortPlan()) test(`${describeFault(fault)}, and writes are accepted again`, async t => suffer(fault, line => t.diagnostic(line)))

test(`${minutes} minutes of random faults`, { skip: minutes > 0 ? false : 'CHAOS_MINUTES says how many' }, async t => {
  const endMs = performance.now() + minutes * 60_000
  while (performance.now() < endMs) await suffer(nextFault(), line => t.diagnostic(line))
  await suffer({ kind: 'force-new-cluster', forMs: FAULT_MS_MAX / 2 }, line => t.diagnostic(line))
})

test('the history is linearizable: no acknowledged write is lost, no read is older than what came before it', async t => {
  stop.abort()
  await clients
  if (HISTORY_FILE !== undefined) writeFileSync(HISTORY_FILE, history.map(each => `${JSON.stringify(each)}\n`).join(''))
  const count = (kind: string, outcome: string): number => history.filter(each => each.kind === kind && each.outcome === outcome).length
  t.diagnostic(`${count('read', 'ok')} reads; sets: ${count('cas', 'ok')} done, ${count('cas', 'fail')} refused, ${count('cas', 'unknown')} unknown`)
  const verdict = checkHistory(history)
  assert.equal(verdict.kind, 'linearizable', JSON.stringify(verdict.kind === 'violated' ? { key: verdict.key, explained: verdict.explained.slice(-SHOWN_OPERATIONS), next: verdict.next.slice(-SHOWN_OPERATIONS) } : verdict, undefined, 1))
  assert.ok(count('cas', 'ok') > 50, 'the clients did too little')
})

test('all managers hold the same at the same index, each by itself', async t => {
  await nemesis.recovered()
  const [first, ...others] = await nemesis.ownStates()
  assert.ok(first !== undefined && first.records.size > KEYS.length)
  t.diagnostic(`${first.records.size} records at index ${first.index}`)
  for (const state of others) assert.deepEqual(differences(first, state), [])
})

async function suffer(fault: Fault, tell: (line: string) => void): Promise<void> {
  const before = history.length
  let recoveredMs: number
  try {
    await nemesis.inflict(fault)
    recoveredMs = await nemesis.recovered()
  } catch (error) {
    if (LOGS !== undefined) for (const host of HOSTS) writeFileSync(join(LOGS, `h${host}.log`), lab.log(host))
    throw new Error(`${describeFault(fault)} was not got over`, { cause: error })
  }
  tell(`${describeFault(fault)}: the first write was accepted ${recoveredMs} ms after its end; ${history.length - before} operations meanwhile`)
}

/** Each kind once with three managers and with five. */
function shortPlan(): readonly Fault[] {
  const forMs = FAULT_MS_MAX
  return [
    { kind: 'kill', whom: 'leader' }, { kind: 'freeze', whom: 'leader', forMs }, { kind: 'cut', how: 'minority', forMs }, { kind: 'disk-full', forMs: 3000 },
    { kind: 'grow' },
    { kind: 'cut', how: 'bridge', forMs }, { kind: 'cut', how: 'one-way', forMs }, { kind: 'freeze', whom: 'follower', forMs }, { kind: 'kill', whom: 'all' },
    { kind: 'shrink' },
    { kind: 'lock', whom: 'leader', forMs: 2000 }, { kind: 'force-new-cluster', forMs: 2000 }, { kind: 'kill', whom: 'follower' },
  ]
}

/** Faults that are still to come before each kind comes again. */
let due: readonly Fault[] = []

/** Each kind once in a random order, then again. */
function nextFault(): Fault {
  if (due.length === 0) due = shuffled(everyKind())
  const [next, ...rest] = due as readonly [Fault, ...Fault[]]
  due = rest
  // Whether there are managers to take away shows only now.
  return next.kind === 'grow' && nemesis.managers.length > MANAGERS.length ? { kind: 'shrink' } : next
}

function everyKind(): readonly Fault[] {
  const forMs = (): number => 1000 + randomInt(random, FAULT_MS_MAX - 1000)
  return [
    { kind: 'kill', whom: 'leader' }, { kind: 'kill', whom: 'follower' }, { kind: 'kill', whom: 'all' }, { kind: 'freeze', whom: 'leader', forMs: forMs() }, { kind: 'freeze', whom: 'follower', forMs: forMs() },
    { kind: 'cut', how: 'minority', forMs: forMs() }, { kind: 'cut', how: 'one-way', forMs: forMs() }, { kind: 'cut', how: 'bridge', forMs: forMs() }, { kind: 'disk-full', forMs: Math.min(forMs(), 10_000) },
    { kind: 'grow' }, { kind: 'restart', whom: 'follower' }, { kind: 'restart', whom: 'leader' }, { kind: 'lock', whom: 'leader', forMs: forMs() }, { kind: 'lock', whom: 'follower', forMs: forMs() }, { kind: 'grow' },
  ]
}

function shuffled<T>(values: readonly T[]): readonly T[] {
  return values.map(value => ({ value, at: random.next() })).sort((a, b) => a.at - b.at).map(({ value }) => value)
}
