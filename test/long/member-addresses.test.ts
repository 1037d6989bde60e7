/** Hosts whose addresses change, one at a time and all at once: managers find each other, and workers find them, by the stock docker CLI on real hosts. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Lab, eventually } from '../support/lab.ts'

const skip = process.getuid?.() === 0 && existsSync('/bin/busybox') ? false : 'needs root and busybox'
const WAIT_MS = 60_000
const HOSTS = [1, 2, 3, 4] as const
const MANAGERS = 3

let lab: Lab
before(async () => {
  if (skip !== false) return
  lab = await Lab.up('shoallongaddr', HOSTS.length, { images: false })
  await lab.form(HOSTS.length, MANAGERS)
})
after(async () => { await lab?.[Symbol.asyncDispose]() })

/** Host `host` has 10.99.0.`last` from now on, and its old address no more. */
async function move(host: number, last: number): Promise<void> {
  const { status, stderr } = await lab.lab('exec', String(host), 'sh', '-c', `ip addr flush dev eth0 && ip addr add 10.99.0.${last}/24 dev eth0 && ip route replace default via 10.99.0.254`)
  assert.equal(status, 0, stderr)
}

/** Waits until every node is ready and every manager votes, each where `addresses` say. */
async function settled(via: number, addresses: readonly number[]): Promise<void> {
  const expected = addresses.map((last, i) => `h${i + 1} ready 10.99.0.${last} ${i < MANAGERS ? `reachable 10.99.0.${last}:2377` : ''}`).join('\n')
  let seen = ''
  await eventually('all nodes are where they are', WAIT_MS, async () => {
    const format = '{{.Description.Hostname}} {{.Status.State}} {{.Status.Addr}} {{if .ManagerStatus}}{{.ManagerStatus.Reachability}} {{.ManagerStatus.Addr}}{{end}}'
    seen = (await lab.ok(via, 'node', 'inspect', ...addresses.map((_, i) => `h${i + 1}`), '--format', format)).split('\n').map(line => line.replace(/ $/, '')).sort().join('\n')
    return seen === expected.split('\n').map(line => line.replace(/ $/, '')).join('\n') || undefined
  }).catch((cause: unknown) => { throw new Error(`expected:\n${expected}\nbut saw:\n${seen}`, { cause }) })
}

test('a host that gets another address while it runs tells so by itself: the leader, a worker', { skip }, async () => {
  await settled(1, [1, 2, 3, 4])
  const leader = Number((await lab.ok(1, 'node', 'ls', '--format', '{{.ManagerStatus}} {{.Hostname}}')).match(/Leader h(\d)/)?.[1])
  const addresses = [1, 2, 3, 4]
  for (const host of [leader, 4]) {
    addresses[host - 1] = 10 + host
    await move(host, 10 + host)
    await settled(host % MANAGERS + 1, addresses)
  }
})

test('all hosts moved at once: each is told a new address of a manager, and the cluster goes on', { skip }, async () => {
  await lab.dockerWith({ input: 'value' }, 2, 'secret', 'create', 'kept', '-')
  await Promise.all(HOSTS.map(async host => lab.lab('kill', String(host))))
  await Promise.all(HOSTS.map(async host => move(host, 20 + host)))
  await Promise.all(HOSTS.map(async host => lab.start(host)))
  await eventually('they say that the others are missing', WAIT_MS, async () => /has had no leader .*1 of 3 managers are up .* shoal swarm announce/.test((await lab.docker(1, 'info')).stderr) || undefined)
  for (const host of HOSTS) {
    const contact = host === 3 ? '10.99.0.21' : '10.99.0.23'
    const { status, stdout, stderr } = await lab.shoal(host, 'swarm', 'announce', contact)
    assert.equal(status, 0, stderr)
    assert(stdout.includes(`${contact}:2377`), stdout)
  }
  await settled(1, [21, 22, 23, 24])
  assert.equal(await lab.ok(3, 'secret', 'ls', '--format', '{{.Name}}'), 'kept')
})

test('all hosts moved at once, and were told a name for managers before: nobody needs to do anything', { skip }, async () => {
  await Promise.all(HOSTS.map(async host => lab.lab('kill', String(host))))
  await Promise.all(HOSTS.map(async host => move(host, 30 + host)))
  await Promise.all(HOSTS.map(async host => lab.start(host, '--swarm-manager', '10.99.0.99', '--swarm-manager', '10.99.0.32:2377')))
  await settled(1, [31, 32, 33, 34])
  assert.equal(await lab.ok(3, 'secret', 'ls', '--format', '{{.Name}}'), 'kept')
})
