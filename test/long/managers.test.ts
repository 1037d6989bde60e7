/** Managers that are hard to lose: autolock, a demoted leader, events across killed ones, a lost quorum, by the stock docker CLI on three real ones. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Lab, eventually } from '../support/lab.ts'

const skip = process.getuid?.() === 0 && existsSync('/bin/busybox') ? false : 'needs root and busybox'
const WAIT_MS = 60_000
const LOCKED = /Swarm is encrypted and needs to be unlocked before it can be used\. Please use "docker swarm unlock" to unlock it\./

let lab: Lab
before(async () => { if (skip === false) lab = await Lab.up('shoale2emanagers', 3, { images: false }) })
after(async () => { await lab?.[Symbol.asyncDispose]() })

const managers = async (host: number): Promise<string> => (await lab.ok(host, 'node', 'ls', '--format', '{{.Hostname}}:{{.ManagerStatus}}')).split('\n').sort().join(' ')
const write = async (host: number, name: string): Promise<boolean> => (await lab.dockerWith({ input: 'value' }, host, 'secret', 'create', name, '-')).status === 0
const secrets = async (host: number): Promise<string> => (await lab.ok(host, 'secret', 'ls', '--format', '{{.Name}}')).split('\n').sort().join(' ')
const unlock = async (host: number, key: string): Promise<string> => (await lab.dockerWith({ input: `${key}\n` }, host, 'swarm', 'unlock')).stderr

test('with autolock no secret lies open on a manager, a joining one included; a restart needs the key, and the wrong one is refused', { skip }, async () => {
  assert.match(await lab.ok(1, 'swarm', 'init', '--autolock', '--advertise-addr', '10.99.0.1'), /SWMKEY-1-[A-Za-z0-9+/]{43}/)
  const first = await lab.ok(1, 'swarm', 'unlock-key', '-q')
  const token = await lab.ok(1, 'swarm', 'join-token', '-q', 'manager')
  for (const host of [2, 3]) await lab.ok(host, 'swarm', 'join', '--token', token, '10.99.0.1:2377')
  await eventually('three managers vote', WAIT_MS, async () => (await managers(1) === 'h1:Leader h2:Reachable h3:Reachable' ? true : undefined))
  for (const host of [1, 2, 3]) {
    for (const file of ['certificates/swarm-node.key', 'manager/keys.json']) assert.match(readFileSync(join(lab.folder, `h${host}/data/swarm`, file), 'utf8'), /^shoal-sealed:/)
  }
  const sealed = (): readonly string[] => ['lock.json', 'certificates/swarm-node.key', 'manager/keys.json'].map(file => readFileSync(join(lab.folder, 'h3/data/swarm', file), 'utf8'))
  const before = sealed()
  const key = await lab.ok(1, 'swarm', 'unlock-key', '-q', '--rotate')
  assert.notEqual(key, first)
  await eventually('the third manager has sealed its secrets anew', WAIT_MS, async () => (sealed().every((text, i) => text !== before[i]) ? true : undefined))
  assert(await write(1, 'kept'))
  await lab.lab('stop', '3')
  await lab.start(3)
  assert.equal(await lab.ok(3, 'info', '--format', '{{.Swarm.LocalNodeState}}'), 'locked')
  assert.match((await lab.docker(3, 'node', 'ls')).stderr, LOCKED)
  assert.equal(await lab.ok(3, 'ps', '-q'), '', 'the engine answers')
  assert.match(await unlock(3, first), /swarm could not be unlocked: invalid key provided/)
  assert.equal(await unlock(3, key), '')
  await eventually('it is a manager again', WAIT_MS, async () => (await managers(3) === 'h1:Leader h2:Reachable h3:Reachable' ? true : undefined))
})

test('the leader is demoted: another leads, nothing is lost, and it is promoted again under a new raft id', { skip }, async () => {
  await lab.ok(2, 'node', 'demote', 'h1')
  await eventually('h1 is a worker', WAIT_MS, async () => (/Worker nodes can't be used/.test((await lab.docker(1, 'node', 'ls')).stderr) ? true : undefined))
  assert.equal((await managers(2)).replace(/h[23]:(Leader|Reachable)/g, '$1').split(' ').sort().join(' '), 'Leader Reachable h1:')
  assert(!existsSync(join(lab.folder, 'h1/data/swarm/lock.json')), 'a worker is never locked')
  assert.equal(await secrets(2), 'kept')
  await lab.ok(3, 'node', 'promote', 'h1')
  await eventually('h1 is a manager', WAIT_MS, async () => (/h1:Reachable/.test(await managers(2)) ? true : undefined))
  assert.equal(await secrets(1), 'kept')
})

test('docker events tells of everything while leaders are killed, each thing once and in order', { skip }, async () => {
  let told = ''
  const events = lab.spawnDocker(3, 'events', '--filter', 'type=secret', '--format', '{{.Action}} {{.Actor.Attributes.name}}')
  events.stdout?.on('data', (bytes: Buffer) => { told += bytes.toString() })
  try {
    await eventually('the events come', WAIT_MS, async () => {
      await write(3, 'probe')
      await lab.docker(3, 'secret', 'rm', 'probe')
      return told.includes('remove probe') ? true : undefined
    })
    const names = Array.from({ length: 9 }, (_, i) => `event${i}`)
    for (const [i, name] of names.entries()) {
      const leader = await eventually('there is a leader', WAIT_MS, async () => /h(\d):Leader/.exec(await managers(3))?.[1])
      if (i % 3 === 0) process.kill(lab.pid(Number(leader), 'manager'), 'SIGKILL')
      await eventually('it is there', WAIT_MS, async () => (await write(3, name) || (await secrets(3)).includes(name) ? true : undefined))
    }
    const expected = names.map(name => `create ${name}`)
    await eventually('they were told', WAIT_MS, async () => (told.includes(`create ${names.at(-1)}`) ? true : undefined))
    assert.deepEqual(told.split('\n').filter(line => line.startsWith('create event')), expected)
    await lab.ok(3, 'secret', 'rm', ...names)
  } finally {
    events.kill()
  }
})

test('a manager that lost its quorum goes on alone, unlocked first; the others that were cut off are refused and become workers', { skip }, async () => {
  const key = await lab.ok(1, 'swarm', 'unlock-key', '-q')
  await Promise.all([lab.lab('cut', '1'), lab.lab('kill', '1')])
  await lab.start(1)
  assert.match((await lab.docker(1, 'swarm', 'init', '--force-new-cluster')).stderr, LOCKED)
  assert.equal(await unlock(1, key), '')
  await eventually('the others write without it', WAIT_MS, async () => (await write(2, 'theirs') ? true : undefined))
  await lab.ok(1, 'swarm', 'init', '--force-new-cluster', '--advertise-addr', '10.99.0.1')
  assert.equal(await managers(1), 'h1:Leader h2: h3:')
  assert(await write(1, 'alone'))
  await lab.lab('mend', '1')
  await eventually('the others are workers', WAIT_MS, async () => {
    const states = await Promise.all([2, 3].map(async host => lab.ok(host, 'info', '--format', '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}')))
    return states.every(state => state === 'active false') ? true : undefined
  })
  assert.equal(await secrets(1), 'alone kept')
  for (const host of [2, 3]) assert(existsSync(join(lab.folder, `h${host}/data/swarm/manager.other-fork`)), 'what they alone know is kept aside')
  await eventually('they work for it', WAIT_MS, async () => ((await lab.ok(1, 'node', 'ls', '--format', '{{.Status}}')).split('\n').every(status => status === 'Ready') ? true : undefined))
})
