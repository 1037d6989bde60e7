/** `docker run --network <attachable overlay>` on a manager and on a worker, by the stock CLI. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Lab, eventually, run } from '../support/lab.ts'

const WEB = ['busybox', 'sh', '-c', 'hostname > /www/index.html; exec httpd -f -p 80 -h /www']
let lab: Lab
before(async () => {
  lab = await Lab.up('shoalattach', 2)
  await lab.form(2, 1)
  await lab.ok(1, 'network', 'create', '-d', 'overlay', '--attachable', '--subnet', '10.77.0.0/24', 'ov')
  await lab.ok(1, 'network', 'create', '-d', 'overlay', 'closed')
})
after(async () => { await lab?.[Symbol.asyncDispose]() })

interface Inspected { readonly Containers: Readonly<Record<string, { readonly Name: string; readonly IPv4Address: string }>>; readonly Services?: Readonly<Record<string, { readonly VIP: string; readonly Tasks: readonly unknown[] }>> }
async function inspectNetwork(host: number, ...flags: readonly string[]): Promise<Inspected> {
  return (JSON.parse(await lab.ok(host, 'network', 'inspect', ...flags, 'ov')) as readonly Inspected[])[0] as Inspected
}
async function address(host: number, container: string): Promise<string> {
  return lab.ok(host, 'inspect', '-f', '{{(index .NetworkSettings.Networks "ov").IPAddress}}', container)
}
async function answers(host: number, from: string, name: string, expected: RegExp): Promise<void> {
  const get = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${name} 80 | tail -n 1`
  await eventually(`${from} on h${host} reaches ${name}`, 20_000, async () => (expected.test((await lab.docker(host, 'exec', from, 'sh', '-c', get)).stdout) ? true : undefined))
}
/** How many attachment tasks there are: the API lists them only to who asks. */
async function attachments(): Promise<number> {
  const filters = encodeURIComponent(JSON.stringify({ runtime: ['attachment'] }))
  const output = await run('curl', ['-sS', '--unix-socket', lab.socket(1), `http://d/v1.50/tasks?filters=${filters}`])
  return (JSON.parse(output.stdout) as readonly unknown[]).length
}

test('containers on a manager and a worker join it, and find each other by name', async () => {
  await lab.ok(1, 'run', '-d', '--name', 'one', '--network', 'ov', ...WEB)
  await lab.ok(2, 'run', '-d', '--name', 'two', '--network', 'ov', '--network-alias', 'zwei', ...WEB)
  assert.match(await address(1, 'one'), /^10\.77\.0\.\d+$/)
  const [one, two] = [await lab.ok(1, 'inspect', '-f', '{{.Config.Hostname}}', 'one'), await lab.ok(2, 'inspect', '-f', '{{.Config.Hostname}}', 'two')]
  await answers(1, 'one', 'two', new RegExp(two))
  await answers(1, 'one', 'zwei', new RegExp(two))
  await answers(1, 'one', two, new RegExp(two))
  await answers(2, 'two', 'one', new RegExp(one))
  assert.equal(await attachments(), 2)
})

test('the network shows them where they are, and the worker has it only while it needs it', async () => {
  assert.deepEqual(Object.values((await inspectNetwork(1)).Containers).map(({ Name }) => Name), ['one'])
  assert.deepEqual(Object.values((await inspectNetwork(2)).Containers).map(({ Name }) => Name), ['two'])
  assert.match(await lab.ok(2, 'network', 'ls'), /ov\s+overlay\s+swarm/)
})

test('they reach a service by its name and virtual IP, and its tasks reach them', async () => {
  await lab.ok(1, 'service', 'create', '--name', 'api', '--network', 'ov', '--replicas', '2', ...WEB)
  await answers(1, 'one', 'api', /^[0-9a-f]{12}$/m)
  await answers(2, 'two', 'api', /^[0-9a-f]{12}$/m)
  const task = await lab.ok(2, 'ps', '-q', '--filter', 'label=com.docker.swarm.service.name=api')
  await answers(2, task, 'one', /^[0-9a-f]{12}$/m)
  assert.match(await lab.ok(1, 'node', 'ps', 'h1', 'h2'), /api\.1/)
  const api = (await inspectNetwork(1, '-v')).Services?.['api']
  assert.match(api?.VIP ?? '', /^10\.77\.0\./)
  assert.equal(api?.Tasks.length, 2)
  await lab.ok(1, 'service', 'rm', 'api')
  await eventually('its containers are gone', 40_000, async () => (await lab.ok(2, 'ps', '-aq', '--filter', 'label=com.docker.swarm.service.name=api') === '' ? true : undefined))
})

test('an address can be asked for, once in the whole cluster', async () => {
  await lab.ok(2, 'run', '-d', '--name', 'fixed', '--network', 'ov', '--ip', '10.77.0.200', ...WEB)
  assert.equal(await address(2, 'fixed'), '10.77.0.200')
  const taken = await lab.docker(1, 'run', '--rm', '--network', 'ov', '--ip', '10.77.0.200', 'busybox', 'true')
  assert.equal(taken.status, 125)
  assert.match(taken.stderr, /Address already in use/)
  await lab.ok(2, 'restart', '-t', '1', 'fixed')
  assert.equal(await address(2, 'fixed'), '10.77.0.200')
  await lab.ok(2, 'rm', '-f', 'fixed')
})

test('a network that is not attachable, or not there, is refused', async () => {
  for (const host of [1, 2]) {
    const closed = await lab.docker(host, 'run', '--rm', '--network', 'closed', 'busybox', 'true')
    assert.equal(closed.status, 125)
    assert.match(closed.stderr, /Could not attach to network closed: rpc error: code = PermissionDenied desc = network closed not manually attachable/)
    assert.match((await lab.docker(host, 'run', '--rm', '--network', 'nowhere', 'busybox', 'true')).stderr, /network nowhere not found/)
  }
})

test('a running container joins and leaves with network connect and disconnect; a network in use stays', async () => {
  await lab.ok(2, 'run', '-d', '--name', 'late', ...WEB)
  await lab.ok(2, 'network', 'connect', '--alias', 'spaet', 'ov', 'late')
  await answers(1, 'one', 'spaet', /^[0-9a-f]{12}$/m)
  const again = await lab.docker(2, 'network', 'connect', 'ov', 'late')
  assert.match(again.stderr, /endpoint with name late already exists in network ov/)
  await answers(1, 'one', 'spaet', /^[0-9a-f]{12}$/m)
  await lab.ok(2, 'network', 'disconnect', 'ov', 'late')
  await eventually('its task is gone', 20_000, async () => (await attachments() === 2 ? true : undefined))
  assert.match((await lab.docker(1, 'network', 'rm', 'ov')).stderr, /network [0-9a-z]{25} is in use by task/)
  await lab.ok(2, 'rm', '-f', 'late')
})

test('a restart of the daemon keeps them; what ended meanwhile is reaped', async () => {
  const before = await address(2, 'two')
  await lab.ok(2, 'run', '-d', '--name', 'short', '--network', 'ov', 'busybox', 'sleep', '1000')
  const pid = await lab.ok(2, 'inspect', '-f', '{{.State.Pid}}', 'short')
  assert.equal(await attachments(), 3)
  await lab.lab('kill', '2')
  process.kill(Number(pid), 'SIGKILL')
  await eventually('its process is gone', 20_000, async () => !existsSync(`/proc/${pid}`) || undefined)
  await lab.start(2)
  await eventually('the ended one is reaped', 20_000, async () => (await attachments() === 2 ? true : undefined))
  assert.equal(await address(2, 'two'), before)
  await answers(1, 'one', 'two', /^[0-9a-f]{12}$/m)
})

test('the attachment ends with the container, with --rm too, and the worker gives the network up', async () => {
  assert.match(await lab.ok(2, 'run', '--rm', '--network', 'ov', 'busybox', 'hostname', '-i'), /10\.77\.0\./)
  await lab.ok(2, 'stop', '-t', '1', 'two')
  await eventually('one task is left', 20_000, async () => (await attachments() === 1 ? true : undefined))
  await eventually('the worker has the network no more', 20_000, async () => (/\bov\b/.test(await lab.ok(2, 'network', 'ls')) ? undefined : true))
  await lab.ok(2, 'start', 'two')
  await answers(1, 'one', 'two', /^[0-9a-f]{12}$/m)
})

test('a host that leaves takes its containers off the network', async () => {
  await lab.ok(2, 'swarm', 'leave')
  await eventually('its task is gone', 20_000, async () => (await attachments() === 1 ? true : undefined))
  assert.equal(await lab.ok(2, 'inspect', '-f', '{{.State.Running}}', 'two'), 'true')
  await lab.ok(1, 'rm', '-f', 'one')
  await eventually('the last task is gone, and the network can go', 20_000, async () => ((await lab.docker(1, 'network', 'rm', 'ov')).status === 0 ? true : undefined))
})
