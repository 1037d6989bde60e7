/** A backup of an autolocked cluster: what verify says of it whole, damaged and with a wrong passphrase, and what a restore makes of each. */
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, Lab, type Output } from '../support/lab.ts'

const skip = process.getuid?.() === 0 && existsSync('/bin/busybox') ? false : 'needs root and busybox'
const WAIT_MS = 60_000
const [OLD, NEW] = [1, 2] as const

let lab: Lab
before(async () => { if (skip === false) lab = await Lab.up('shoalautoback', 2, { images: false }) })
after(async () => { await lab?.[Symbol.asyncDispose]() })

const file = (name: string): string => join(lab.folder, name)
const verify = async (backup: string, passphrase = 'passphrase'): Promise<Output> => lab.shoal(NEW, 'swarm', 'verify', '--passphrase-file', file(passphrase), file(backup))
const restore = async (backup: string, passphrase = 'passphrase'): Promise<Output> => lab.shoal(NEW, 'swarm', 'restore', '--passphrase-file', file(passphrase), '--advertise-addr', `10.99.0.${NEW}`, file(backup))
const localState = async (): Promise<string> => lab.ok(NEW, 'info', '--format', '{{.Swarm.LocalNodeState}}')
const unlock = async (key: string): Promise<string> => (await lab.dockerWith({ input: `${key}\n` }, NEW, 'swarm', 'unlock')).stderr
let unlockKey: string

test('a backup of an autolocked cluster says that it is, and verify tells a damaged one and a wrong passphrase', { skip }, async () => {
  writeFileSync(file('passphrase'), 'correct horse battery staple')
  writeFileSync(file('wrong'), 'incorrect horse')
  await lab.ok(OLD, 'swarm', 'init', '--autolock', '--advertise-addr', `10.99.0.${OLD}`)
  unlockKey = await lab.ok(OLD, 'swarm', 'unlock-key', '-q')
  await lab.dockerWith({ input: 'top secret' }, OLD, 'secret', 'create', 'password', '-')
  // Several parts: damage in the first can not be told from a wrong passphrase.
  writeFileSync(file('config'), Buffer.alloc(1_000_000, 'x'))
  for (let at = 0; at < 3; at++) await lab.ok(OLD, 'config', 'create', `c${at}`, file('config'))
  const made = await lab.shoal(OLD, 'swarm', 'backup', '--passphrase-file', file('passphrase'), file('whole'))
  assert.equal(made.status, 0, made.stderr)
  for (const name of ['flipped', 'cut']) copyFileSync(file('whole'), file(name))
  const bytes = readFileSync(file('whole'))
  bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1
  writeFileSync(file('flipped'), bytes)
  truncateSync(file('cut'), bytes.length - 50)
  assert.match((await verify('whole')).stdout, /autolocked, state of index[^]*Others: +1 secrets/)
  for (const [name, passphrase, says] of [['flipped', 'passphrase', /damaged/], ['cut', 'passphrase', /damaged|cut|ends/], ['whole', 'wrong', /passphrase/]] as const) {
    const { status, stderr } = await verify(name, passphrase)
    assert.equal(status, 1, name)
    assert.match(stderr, says)
  }
})

test('none of these is restored, and the host is as it was', { skip }, async () => {
  for (const [name, passphrase, says] of [['flipped', 'passphrase', /damaged/], ['cut', 'passphrase', /damaged|cut|ends/], ['whole', 'wrong', /passphrase/]] as const) {
    const { status, stderr } = await restore(name, passphrase)
    assert.equal(status, 1, name)
    assert.match(stderr, says)
    assert.equal(await localState(), 'inactive')
    assert(!existsSync(join(lab.folder, `h${NEW}/data/swarm/state.json`)))
  }
})

test('restored elsewhere the cluster is autolocked under the same unlock key: nothing lies open, and a restart needs it', { skip }, async () => {
  await lab.lab('kill', String(OLD))
  rmSync(join(lab.folder, `h${OLD}/data`), { recursive: true })
  const { status, stderr } = await restore('whole')
  assert.equal(status, 0, stderr)
  assert.equal(await lab.ok(NEW, 'swarm', 'unlock-key', '-q'), unlockKey)
  assert.equal(await lab.ok(NEW, 'secret', 'ls', '--format', '{{.Name}}'), 'password')
  for (const name of ['certificates/swarm-node.key', 'manager/keys.json']) assert.match(readFileSync(join(lab.folder, `h${NEW}/data/swarm`, name), 'utf8'), /^shoal-sealed:/)
  await lab.lab('kill', String(NEW))
  await lab.start(NEW)
  assert.equal(await localState(), 'locked')
  assert.match(await unlock(`${unlockKey.slice(0, -2)}AA`), /invalid key/)
  assert.equal(await unlock(unlockKey), '')
  await eventually('it leads again', WAIT_MS, async () => (await lab.docker(NEW, 'secret', 'ls', '--format', '{{.Name}}')).stdout.trim() === 'password' || undefined)
})
