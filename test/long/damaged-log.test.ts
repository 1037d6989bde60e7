/**
 * A manager whose raft log or state was damaged while it was down says so at its start, with a way out, and takes no part: never with a vote that it may
 * have given before. Each way out that is named is followed to its end.
 */
import assert from 'node:assert/strict'
import { closeSync, cpSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, Lab, run, type Output } from '../support/lab.ts'

const skip = process.getuid?.() === 0 && existsSync('/bin/busybox') ? false : 'needs root and busybox'
const PAGE = 4096
/** Less than what a log is shortened at. */
const CONFIGS = 18
/** Nearly the most that a config may have. */
const CONFIG_BYTES = 1_000_000
/** As many are in the older copy, in the first segment of the log, and in the second, too. */
const [OLDER, FIRST, SECOND] = [2, 7, 13]
/** A manager that finds nothing wrong goes on: then the test ends it. */
const START_TIMEOUT_MS = 15_000
const WAIT_MS = 60_000
const REJOIN = /docker swarm leave --force.*docker node demote.*docker node rm --force.*join again.*restore the folder from a backup/s
const DAMAGED = /is damaged in [0-9a-f]{16}\.log at offset \d+: records that were acknowledged can not be read/
const MISSING = /is damaged: its segment [0-9a-f]{16}\.log is missing/
const EMPTY = /has state of its cluster but its raft log is empty: it would not know how it voted/

let lab: Lab
before(async () => { if (skip === false) lab = await Lab.up('shoaldamage', 3, { images: false }) })
after(async () => { await lab?.[Symbol.asyncDispose]() })

const managerFolder = (host: number): string => join(lab.folder, `h${host}`, 'data/swarm/manager')
const saved = (): string => join(lab.folder, 'saved')
/** Where the copies are damaged. */
const copy = (): string => join(lab.folder, 'copy/manager')
const raft = (): string => join(copy(), 'raft')
const segmentsIn = (folder: string): readonly string[] => readdirSync(folder).filter(name => name.endsWith('.log')).sort().map(name => join(folder, name))
const segments = (): readonly [first: string, middle: string, last: string] => {
  const [first = '', middle = '', last = ''] = segmentsIn(raft())
  return [first, middle, last]
}

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, offset)
  closeSync(file)
}
function flip(path: string, offset: number): void { overwrite(path, offset, Buffer.of((readFileSync(path)[offset] ?? 0) ^ 0x10)) }
/** Where the last byte stands that is not zero. */
function endOf(path: string): number { return readFileSync(path).findLastIndex(byte => byte !== 0) + 1 }
function replace(folder: string, by: string): void {
  rmSync(folder, { recursive: true })
  cpSync(by, folder, { recursive: true })
}

/** What was done to the folder, and what is said of it. */
const DAMAGES: readonly (readonly [what: string, damage: () => void, says: RegExp, wayOut: RegExp])[] = [
  ['a byte flipped in a record', () => flip(segments()[0], 3 * PAGE), DAMAGED, REJOIN],
  ['a byte flipped in the last record', () => flip(segments()[2], endOf(segments()[2]) - 20), DAMAGED, REJOIN],
  ['a page of zeros in the middle', () => overwrite(segments()[1], 1024 * PAGE, Buffer.alloc(PAGE)), DAMAGED, REJOIN],
  ['the last record cut off', () => truncateSync(segments()[2], endOf(segments()[2]) - 10), DAMAGED, REJOIN],
  ['the last record zeroed', () => overwrite(segments()[2], endOf(segments()[2]) - 100, Buffer.alloc(100)), DAMAGED, REJOIN],
  ['a segment cut to its head', () => truncateSync(segments()[1], PAGE), DAMAGED, REJOIN],
  ['a segment cut within its head', () => truncateSync(segments()[2], 100), DAMAGED, REJOIN],
  ['a segment without a byte', () => truncateSync(segments()[2], 0), DAMAGED, REJOIN],
  ['a head with a flipped byte', () => flip(segments()[0], 20), DAMAGED, REJOIN],
  ['a segment of zeros', () => writeFileSync(segments()[1], Buffer.alloc(16 * 2 ** 20)), DAMAGED, REJOIN],
  ['the first segment removed', () => rmSync(segments()[0]), /the raft log has a gap: entry \d+ follows 0; records are missing/, REJOIN],
  ['a segment in the middle removed', () => rmSync(segments()[1]), MISSING, REJOIN],
  ['the last segment removed', () => rmSync(segments()[2]), MISSING, REJOIN],
  ['two segments in each other\'s place', () => {
    const [first, , last] = segments()
    renameSync(first, `${first}.old`)
    renameSync(last, first)
    renameSync(`${first}.old`, last)
  }, DAMAGED, REJOIN],
  ['an emptied folder', () => { for (const path of segmentsIn(raft())) rmSync(path) }, EMPTY, REJOIN],
  ['the log\'s folder removed', () => rmSync(raft(), { recursive: true }), EMPTY, REJOIN],
  ['an older copy of the log', () => replace(raft(), join(lab.folder, 'older/raft')), /the log ends at \d+: it is an older copy, and its votes and entries since are lost/, REJOIN],
  ['a segment of another manager among its own', () => cpSync(segmentsIn(join(managerFolder(2), 'raft'))[1] ?? '', segments()[1]),
    /belongs to node \w+ of cluster \w+, not to node \w+ of cluster \w+/, /put this manager's own folder there/],
  ['the log of another manager', () => replace(raft(), join(managerFolder(2), 'raft')), /belongs to node \w+ of cluster \w+, not to node \w+ of cluster \w+/, /put this manager's own folder there/],
  ['the state of another manager', () => replace(join(copy(), 'state'), join(managerFolder(2), 'state')), /sealed with the key \w+, which it does not have/, /restore its key file from the backup/],
  ['the key file removed', () => rmSync(join(copy(), 'keys.json')), /sealed with the key \w+, which (it|this manager) does not have/, /restore its key file from the backup/],
  ['the key file cut', () => truncateSync(join(copy(), 'keys.json'), 40), /keys\.json cannot be read/, /restore it from a backup/],
  ['the state\'s list of files removed', () => rmSync(join(copy(), 'state/CURRENT')), /the store \S+ can not be opened|state .* index 0, but the log begins after|the stored cluster state is damaged/, /restore the|join again|join it again/],
]

/** Runs a manager of h3 on the copy until it ends, as its daemon would. */
async function startOnCopy(): Promise<Output> {
  const folder = join(lab.folder, 'copy')
  const config = { ...JSON.parse(readFileSync(join(lab.folder, 'manager.json'), 'utf8')) as object, stateFolder: copy(), socketPath: join(folder, 'manager.sock') }
  writeFileSync(join(folder, 'manager.json'), JSON.stringify(config))
  return run('bash', [lab.script, 'exec', '3', process.execPath, '--no-warnings', join(process.cwd(), 'dist/src/daemon/manager-main.js'), join(folder, 'manager.json')],
    { env: { LAB: lab.name }, input: JSON.stringify({ ring: { keys: [], isSealing: false } }), timeoutMs: START_TIMEOUT_MS })
}

const stop = async (host: number): Promise<void> => { await lab.lab('kill', String(host)) }
const managers = async (host: number): Promise<string> => (await lab.ok(host, 'node', 'ls', '--format', '{{.Hostname}}:{{.ManagerStatus}}')).split('\n').map(line => line.trim()).sort().join(' ')
const isCluster = async (seenFrom: number, expected: RegExp): Promise<void> => {
  await eventually(`h${seenFrom} sees a leader and ${expected.source}`, WAIT_MS, async () => {
    const seen = await managers(seenFrom)
    return seen.includes('Leader') && expected.test(seen) ? true : undefined
  })
}
const isWritable = async (host: number, name: string): Promise<void> => { await eventually(`h${host} takes writes`, WAIT_MS, async () => (await lab.dockerWith({ input: name, timeoutMs: 20_000 }, host, 'config', 'create', name, '-')).status === 0 ? true : undefined) }
const configs = async (host: number): Promise<number> => (await lab.ok(host, 'config', 'ls', '-q')).split('\n').length
const errorOf = async (host: number): Promise<string> => eventually(`the manager of h${host} says why it does not start`, WAIT_MS, async () => (await lab.ok(host, 'info', '--format', '{{.Swarm.Error}}')) || undefined)
const rejoin = async (host: number, through: number): Promise<void> => {
  const id = await lab.ok(through, 'node', 'inspect', `h${host}`, '--format', '{{.ID}}')
  await lab.ok(host, 'swarm', 'leave', '--force')
  await lab.ok(through, 'node', 'demote', id)
  await lab.ok(through, 'node', 'rm', '--force', id)
  await lab.ok(host, 'swarm', 'join', '--token', await lab.ok(through, 'swarm', 'join-token', '-q', 'manager'), `10.99.0.${through}:2377`)
}

test('three managers, with a log of three segments', { skip }, async () => {
  await lab.form(3, 3)
  await isCluster(1, /^h1:Leader h2:Reachable h3:Reachable$/)
  const file = join(lab.folder, 'config')
  writeFileSync(file, Buffer.alloc(CONFIG_BYTES, 'x'))
  let made = 0
  const create = async (end: number): Promise<void> => { while (made < end) await lab.ok(1, 'config', 'create', `c${made++}`, file) }
  await create(OLDER)
  await stop(3)
  cpSync(managerFolder(3), join(lab.folder, 'older'), { recursive: true })
  await lab.start(3)
  await isCluster(1, /h3:Reachable/)
  await create(FIRST)
  // With each new key the log goes on in a new segment.
  for (const [autolock, end, count] of [['true', SECOND, 2], ['false', CONFIGS, 3]] as const) {
    await lab.ok(1, 'swarm', 'update', `--autolock=${autolock}`)
    await eventually(`h3 has ${count} segments`, WAIT_MS, async () => segmentsIn(join(managerFolder(3), 'raft')).length === count ? true : undefined)
    await create(end)
  }
  await eventually('the secrets of h3 lie open again', WAIT_MS, async () => existsSync(join(managerFolder(3), '../lock.json')) ? undefined : true)
  await eventually('h3 has it all', WAIT_MS, async () => await configs(3) === CONFIGS ? true : undefined)
  await stop(3)
  cpSync(managerFolder(3), saved(), { recursive: true })
  cpSync(join(lab.folder, 'h3/exec/manager.json'), join(lab.folder, 'manager.json'))
})

test('each damage is found at start and named, with a way out; the manager takes no part', { skip }, async t => {
  for (const [what, damage, says, wayOut] of DAMAGES) {
    await t.test(what, async () => {
      rmSync(copy(), { recursive: true, force: true })
      cpSync(saved(), copy(), { recursive: true })
      damage()
      const { status, stderr } = await startOnCopy()
      assert.match(stderr, says)
      assert.match(stderr, wayOut)
      assert.equal(status, 1)
      // It is found again and again: the first start mends nothing.
      if (what === 'an emptied folder') assert.match((await startOnCopy()).stderr, says)
    })
  }
})

test('info and the commands of the host say it; what is foreign in the folder is left alone; put back, the manager takes part again', { skip }, async () => {
  rmSync(segmentsIn(join(managerFolder(3), 'raft'))[1] ?? '')
  await lab.start(3)
  assert.match(await errorOf(3), MISSING)
  const refused = await lab.docker(3, 'node', 'ls')
  assert.match(refused.stderr, /Manager is being prepared or has trouble connecting to the cluster\. /)
  assert.match(refused.stderr, MISSING)
  await stop(3)
  replace(managerFolder(3), saved())
  const foreign = ['notes.txt', '0000000000000001.log.bak', 'lost+found'].map(name => join(managerFolder(3), 'raft', name))
  for (const path of foreign) writeFileSync(path, 'not ours')
  await lab.start(3)
  await isCluster(1, /h3:Reachable/)
  assert.equal(await lab.ok(3, 'info', '--format', '{{.Swarm.Error}}'), '')
  for (const path of foreign) assert.equal(readFileSync(path, 'utf8'), 'not ours')
})

test('a folder that is taken from under a running manager ends it: it acknowledges nothing that would not be found again', { skip }, async () => {
  const pid = lab.pid(3, 'manager')
  renameSync(join(managerFolder(3), 'raft'), join(managerFolder(3), 'raft.away'))
  await eventually('that process has ended', WAIT_MS, async () => existsSync(`/proc/${pid}/fd/0`) ? undefined : true)
  await eventually('info says so', WAIT_MS, async () => EMPTY.test(await lab.ok(3, 'info', '--format', '{{.Swarm.Error}}')) ? true : undefined)
})

test('a manager with an emptied log gives no vote: one of three that is left finds no leader', { skip }, async () => {
  await stop(2)
  await eventually('h1 has no leader', WAIT_MS, async () => /no leader|does not have a leader/.test((await lab.dockerWith({ timeoutMs: 30_000, input: 'x' }, 1, 'config', 'create', 'refused', '-')).stderr) ? true : undefined)
  await lab.start(2)
  await isCluster(1, /^h1:(Leader|Reachable) h2:(Leader|Reachable) h3:Unreachable$/)
})

test('the way out while most managers are up: leave by force, demote and remove, join again', { skip }, async () => {
  await rejoin(3, 1)
  assert(!existsSync(join(managerFolder(3), 'raft.away')))
  await isCluster(1, /^h1:(Leader|Reachable) h2:(Leader|Reachable) h3:Reachable$/)
  await eventually('h3 has it all again', WAIT_MS, async () => await configs(3) >= CONFIGS ? true : undefined)
  await stop(2)
  await isWritable(3, 'with-its-vote')
  await lab.start(2)
  await isCluster(1, /^h1:(Leader|Reachable) h2:(Leader|Reachable) h3:(Leader|Reachable)$/)
})

test('without log and state there is nothing that it could deny: it joins by itself under a new raft id', { skip }, async () => {
  // What nodes are said to be may still be from before a manager was stopped; this asks them.
  await eventually('each manager answers', WAIT_MS, async () => /3 of 3 managers answer/.test((await lab.shoal(1, 'swarm', 'recover')).stdout) ? true : undefined)
  await stop(3)
  rmSync(managerFolder(3), { recursive: true })
  await lab.start(3)
  await isCluster(1, /^h1:(Leader|Reachable) h2:(Leader|Reachable) h3:(Leader|Reachable)$/)
  await eventually('h3 has it all again', WAIT_MS, async () => await configs(3) >= CONFIGS ? true : undefined)
})

test('the way out when most managers lost their logs: the survivor goes on alone, and the others join it', { skip }, async () => {
  for (const host of [2, 3]) {
    await stop(host)
    mkdirSync(join(lab.folder, 'away'), { recursive: true })
    renameSync(join(managerFolder(host), 'raft'), join(lab.folder, 'away', `raft${host}`))
  }
  const offline = await run('deploy/bin/shoal', ['swarm', 'recover', '--show', ...[1, 2, 3].map(host => join(lab.folder, `h${host}/data`))])
  assert.equal(offline.status, 0, offline.stderr)
  assert.match(offline.stdout, /h1\/data .* whole\n.*h2\/data .* there is no raft log.*\n.*h3\/data .* there is no raft log/)
  assert.match(offline.stdout, /\(10\.99\.0\.1:2377\) is the newest/)
  await Promise.all([2, 3].map(async host => lab.start(host)))
  for (const host of [2, 3]) assert.match(await errorOf(host), EMPTY)
  const shown = await eventually('h1 knows that it is alone', WAIT_MS, async () => {
    const output = await lab.shoal(1, 'swarm', 'recover')
    return /1 of 3 managers answer/.test(output.stdout) ? output : undefined
  })
  assert.match(shown.stdout, /on h1: shoal swarm recover --yes/)
  const recovered = await lab.shoal(1, 'swarm', 'recover', '--yes')
  assert.equal(recovered.status, 0, recovered.stderr)
  assert.equal(await managers(1), 'h1:Leader h2: h3:')
  await isWritable(1, 'alone')
  for (const host of [2, 3]) await rejoin(host, 1)
  await isCluster(1, /^h1:Leader h2:Reachable h3:Reachable$/)
  assert((await lab.ok(1, 'config', 'ls', '--format', '{{.Name}}')).split('\n').filter(name => /^c\d+$|^with-its-vote$|^alone$/.test(name)).length === CONFIGS + 2)
})
