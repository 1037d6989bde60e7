/** A cluster that loses all its managers for good, and comes back from a backup on a host that was never part of it. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, Lab } from '../support/lab.ts'
import { canRunContainers } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
const [MANAGER, WORKER, NEW] = [1, 2, 3] as const
let lab: Lab
let passphraseFile: string
before(async () => {
  if (skip !== false) return
  lab = await Lab.up('shoalback', 3)
  passphraseFile = join(lab.folder, 'passphrase')
  writeFileSync(passphraseFile, 'correct horse battery staple\n')
})
after(async () => { if (skip === false) await lab[Symbol.asyncDispose]() })

async function shoal(host: number, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await lab.shoal(host, ...args)
  assert.equal(status, 0, stderr)
  return stdout.trim()
}

test('backup, all managers destroyed, restored on a new address: services, secrets and tokens are back, the worker re-attaches and its containers go on', { skip, timeout: 120_000 }, async () => {
  await lab.form(2, 1)
  await lab.dockerWith({ input: 'top secret' }, MANAGER, 'secret', 'create', 'password', '-')
  await lab.ok(MANAGER, 'network', 'create', '-d', 'overlay', 'inner')
  await lab.ok(MANAGER, 'service', 'create', '-d', '--name', 'web', '--replicas', '2', '--network', 'inner', '--secret', 'password', '-p', '8080:80', '--constraint', 'node.role==worker', 'busybox', 'sh', '-c', 'cp /run/secrets/password /www/index.html; exec httpd -f -p 80 -h /www')
  await eventually('web runs', 30_000, async () => (await lab.ok(MANAGER, 'service', 'ls', '--format', '{{.Replicas}}')) === '2/2' || undefined)
  const tokens = await Promise.all(['worker', 'manager'].map(role => lab.ok(MANAGER, 'swarm', 'join-token', '-q', role)))
  const file = join(lab.folder, 'cluster.backup')
  assert.match(await shoal(MANAGER, 'swarm', 'backup', '--passphrase-file', passphraseFile, file), /Services: 1 \(web\), with 2 tasks/)
  assert.match(await shoal(NEW, 'swarm', 'verify', '--passphrase-file', passphraseFile, file), /Others: +1 secrets/)
  const containers = await lab.ok(WORKER, 'ps', '-q')

  await lab.lab('kill', String(MANAGER))
  rmSync(join(lab.folder, `h${MANAGER}`, 'data'), { recursive: true })
  assert.match(await shoal(NEW, 'swarm', 'restore', '--passphrase-file', passphraseFile, '--advertise-addr', '10.99.0.3', file), /docker swarm join --token SWMTKN-1-\S+ 10\.99\.0\.3:2377/)
  assert.deepEqual(await Promise.all(['worker', 'manager'].map(role => lab.ok(NEW, 'swarm', 'join-token', '-q', role))), tokens)
  await eventually('the worker has noticed', 20_000, async () => /joined a swarm as a worker/.test(await lab.ok(WORKER, 'swarm', 'join', '--token', tokens[0] ?? '', '10.99.0.3:2377').catch(() => '')) || undefined)

  await eventually('the worker is ready', 20_000, async () => (await lab.ok(NEW, 'node', 'ls', '--filter', 'name=h2', '--format', '{{.Status}}')) === 'Ready' || undefined)
  assert.equal(await lab.ok(WORKER, 'ps', '-q'), containers)
  assert.equal(await lab.fetch(WORKER, 8080), 'top secret')
  assert.equal(await lab.ok(NEW, 'secret', 'ls', '--format', '{{.Name}}'), 'password')
  await lab.ok(NEW, 'service', 'scale', '-d', 'web=3')
  await eventually('a third task runs with the secret', 30_000, async () => (await lab.ok(NEW, 'service', 'ls', '--format', '{{.Replicas}}')) === '3/3' || undefined)
  const again = await lab.docker(WORKER, 'swarm', 'join', '--token', tokens[0] ?? '', '10.99.0.3:2377')
  assert.match(again.stderr, /already part of a swarm/)
})
