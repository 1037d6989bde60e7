/** The stock docker CLI, Shoal and Debian's docker-registry, on one host of the lab. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { DebianRegistry, hasRegistry } from '../support/debian-registry.ts'
import { EngineClient } from '../support/engine-client.ts'
import { eventually, Lab, type Output } from '../support/lab.ts'
import { canRunContainers } from './engine-fixture.ts'

const skip = !canRunContainers() ? 'needs root, busybox-static and a runtime' : hasRegistry() ? false : 'needs docker-registry and skopeo (deploy/setup/install.sh test)'
const PLAIN = 'localhost:5000'
const SECURE = '10.99.0.1:5443'
let lab: Lab
let plain: DebianRegistry
const owned: AsyncDisposable[] = []

before(async () => {
  if (skip !== false) return
  lab = await Lab.up('shoalregistry', 1)
  owned.push(lab)
  plain = await DebianRegistry.start(lab, 1, { address: '127.0.0.1', port: 5000 })
  owned.push(plain)
})
after(async () => { for (const each of owned.splice(0).reverse()) await each[Symbol.asyncDispose]() })

const onHost = (...args: readonly string[]): Promise<Output> => lab.lab('exec', '1', ...args)
const must = async (output: Promise<Output>): Promise<string> => {
  const { status, stdout, stderr } = await output
  assert.equal(status, 0, `${stdout}\n${stderr}`)
  return stdout
}
const downloads = (): readonly string[] => readdirSync(join(lab.folder, 'h1/data/downloads'))
/** Everything that images have on disk. */
const disk = (): readonly string[] => ['layers', 'layers/blobs', 'layers/tmp', 'images/configs', 'downloads'].flatMap(folder => readdirSync(join(lab.folder, 'h1/data', folder)).map(name => `${folder}/${name}`)).sort()

test('an image goes to a registry and comes back as it was, and runs', { skip }, async () => {
  const id = await lab.ok(1, 'images', '-q', '--no-trunc', 'busybox')
  await lab.ok(1, 'tag', 'busybox', `${PLAIN}/team/box:1`)
  const pushed = await lab.ok(1, 'push', `${PLAIN}/team/box:1`)
  assert.match(pushed, /^The push refers to repository \[localhost:5000\/team\/box\]\n[0-9a-f]{12}: Preparing\n[0-9a-f]{12}: Pushed\n1: digest: sha256:[0-9a-f]{64} size: \d+$/)
  const digest = /sha256:[0-9a-f]{64}/.exec(pushed)?.[0] ?? ''
  assert.match(await lab.ok(1, 'push', `${PLAIN}/team/box:1`), /Layer already exists/)
  await lab.ok(1, 'tag', 'busybox', `${PLAIN}/other:1`)
  assert.match(await lab.ok(1, 'push', `${PLAIN}/other:1`), /Mounted from team\/box/)
  await lab.ok(1, 'rmi', '-f', id)
  assert.deepEqual(disk().filter(name => !/layers\/(blobs|tmp)$/.test(name)), [])
  assert.match(await lab.ok(1, 'run', '--rm', `${PLAIN}/team/box:1`, 'echo', 'pulled'), /^pulled$/m)
  assert.equal(await lab.ok(1, 'images', '--no-trunc', '--digests', '--format', '{{.ID}} {{.Digest}}', `${PLAIN}/team/box`), `${id} ${digest}`)
  assert.match(await lab.ok(1, 'pull', `${PLAIN}/team/box:1`), new RegExp(`Digest: ${digest}\nStatus: Image is up to date for ${PLAIN}/team/box:1`))
  assert.equal(await lab.ok(1, 'create', '--pull', 'always', '--name', 'by-digest', `${PLAIN}/team/box@${digest}`, 'true').then(() => lab.ok(1, 'inspect', '-f', '{{.Config.Image}}', 'by-digest')), `${PLAIN}/team/box@${digest}`)
  assert.equal(await lab.ok(1, 'ps', '-a', '--format', '{{.Image}}'), `${PLAIN}/team/box`)
  const client = new EngineClient(lab.socket(1))
  const asked = async (name: string): Promise<unknown> => JSON.parse((await client.call('GET', `/distribution/${name}/json`)).body.toString())
  const architecture = await lab.ok(1, 'image', 'inspect', '-f', '{{.Architecture}}', `${PLAIN}/team/box:1`)
  for (const name of [`${PLAIN}/team/box:1`, `${PLAIN}/team/box@${digest}`]) {
    const { Descriptor, Platforms } = await asked(name) as { Descriptor: { digest: string; size: number }; Platforms: readonly unknown[] }
    assert.deepEqual([Descriptor.digest, Platforms], [digest, [{ architecture, os: 'linux' }]])
    assert.ok(Descriptor.size > 100)
  }
  await assert.rejects(asked(`${PLAIN}/team/box:none`), /404 .*manifest unknown/)
  await lab.ok(1, 'rm', 'by-digest')
  await lab.ok(1, 'tag', `${PLAIN}/team/box:1`, 'busybox:latest')
})

test('all tags go and come back, of a platform, quietly', { skip }, async () => {
  for (const tag of ['a', 'b']) await lab.ok(1, 'tag', 'busybox', `${PLAIN}/many:${tag}`)
  await lab.ok(1, 'push', '--all-tags', '--quiet', `${PLAIN}/many`)
  await lab.ok(1, 'rmi', `${PLAIN}/many:a`, `${PLAIN}/many:b`)
  await lab.ok(1, 'pull', '--all-tags', `${PLAIN}/many`)
  assert.equal((await lab.ok(1, 'images', '--format', '{{.Tag}}', `${PLAIN}/many`)).split('\n').sort().join(), 'a,b')
  await lab.ok(1, 'push', '--platform', 'linux/amd64', `${PLAIN}/many:a`)
  assert.equal(await lab.ok(1, 'pull', '--platform', 'linux/amd64', '--quiet', `${PLAIN}/many:a`), `${PLAIN}/many:a`)
  await lab.ok(1, 'rmi', `${PLAIN}/many:a`, `${PLAIN}/many:b`)
})

test('with TLS and a password: the authority must be known and the password right', { skip }, async () => {
  await using secure = await DebianRegistry.start(lab, 1, { address: '10.99.0.1', port: 5443, tls: true, auth: true })
  const wasThere = existsSync('/etc/shoal')
  mkdirSync('/etc/shoal', { recursive: true })
  try {
    // On the host of the lab alone: nothing of it is seen outside.
    await must(onHost('mount', '-t', 'tmpfs', 'tmpfs', '/etc/shoal'))
    const stranger = await lab.docker(1, 'login', '-u', 'user', '-p', 'secret', SECURE)
    assert.match(stranger.stderr, /x509: certificate signed by unknown authority/)
    await must(onHost('mkdir', '-p', `/etc/shoal/certs.d/${SECURE}`))
    await must(onHost('cp', join(secure.folder, 'ca.crt'), `/etc/shoal/certs.d/${SECURE}/ca.crt`))
    await lab.ok(1, 'tag', 'busybox', `${SECURE}/box:1`)
    assert.match((await lab.docker(1, 'push', `${SECURE}/box:1`)).stderr, /no basic auth credentials/)
    assert.match((await lab.docker(1, 'login', '-u', 'user', '-p', 'wrong', SECURE)).stderr, /login attempt to https:\/\/10\.99\.0\.1:5443\/v2\/ failed with status: 401 Unauthorized/)
    assert.match(await lab.ok(1, 'login', '-u', 'user', '-p', 'secret', SECURE), /Login Succeeded/)
    assert.match(await must(lab.dockerWith({ input: 'secret' }, 1, 'login', '-u', 'user', '--password-stdin', SECURE)), /Login Succeeded/)
    await lab.ok(1, 'push', `${SECURE}/box:1`)
    await lab.ok(1, 'rmi', `${SECURE}/box:1`)
    await lab.ok(1, 'pull', `${SECURE}/box:1`)
    await lab.ok(1, 'logout', SECURE)
    assert.match((await lab.docker(1, 'pull', `${SECURE}/box:1`)).stderr, /no basic auth credentials/)
    await lab.ok(1, 'rmi', `${SECURE}/box:1`)
  } finally {
    await onHost('umount', '/etc/shoal')
    if (!wasThere) rmdirSync('/etc/shoal')
  }
})

test('skopeo, which knows only the specifications, takes our images from the registry and from an archive', { skip }, async () => {
  const folder = join(lab.folder, 'skopeo')
  mkdirSync(folder)
  await lab.ok(1, 'save', '-o', join(folder, 'saved.tar'), 'busybox:latest', `${PLAIN}/team/box:1`)
  const sources = [`docker://${PLAIN}/team/box:1`, `docker-archive:${join(folder, 'saved.tar')}:docker.io/library/busybox:latest`, `oci-archive:${join(folder, 'saved.tar')}:latest`]
  for (const [at, source] of sources.entries()) {
    await must(onHost('skopeo', 'copy', '-q', '--insecure-policy', '--src-tls-verify=false', source, `dir:${join(folder, String(at))}`))
    const { layers } = JSON.parse(readFileSync(join(folder, String(at), 'manifest.json'), 'utf8')) as { layers: readonly unknown[] }
    assert.equal(layers.length, 1, source)
  }
  // And the other way: what skopeo makes of it, zstd layers and an OCI layout, is loaded and pulled.
  await must(onHost('skopeo', 'copy', '-q', '--insecure-policy', '--src-tls-verify=false', '--dest-tls-verify=false', '--dest-compress-format', 'zstd', '--format', 'oci', sources[0] as string, `docker://${PLAIN}/zstd:1`))
  await must(onHost('skopeo', 'copy', '-q', '--insecure-policy', '--src-tls-verify=false', '--format', 'oci', sources[0] as string, `oci-archive:${join(folder, 'oci.tar')}:1`))
  const id = await lab.ok(1, 'images', '-q', '--no-trunc', 'busybox')
  await lab.ok(1, 'rmi', '-f', id)
  await lab.ok(1, 'pull', '-q', `${PLAIN}/zstd:1`)
  assert.equal(await lab.ok(1, 'run', '--rm', `${PLAIN}/zstd:1`, 'echo', 'zstd'), 'zstd')
  await lab.ok(1, 'rmi', `${PLAIN}/zstd:1`)
  const loaded = /sha256:[0-9a-f]{64}/.exec(await lab.ok(1, 'load', '-i', join(folder, 'oci.tar')))?.[0] ?? ''
  await lab.ok(1, 'tag', loaded, 'busybox:latest')
  assert.equal(await lab.ok(1, 'run', '--rm', 'busybox', 'echo', 'oci'), 'oci')
})

test('a daemon killed in the middle of a pull goes on with it when asked again, and nothing is left over', { skip }, async () => {
  const [log, hold] = [join(lab.folder, 'proxy.log'), join(lab.folder, 'hold')]
  writeFileSync(hold, '')
  const proxy = spawn('bash', [lab.script, 'exec', '1', process.execPath, join(import.meta.dirname, '../support/holding-proxy-main.js'), '5002', '5000', log, hold], { env: { ...process.env, LAB: lab.name }, stdio: 'ignore' })
  try {
    await eventually('the proxy answers', 20_000, async () => ((await onHost('curl', '-so', '/dev/null', 'http://127.0.0.1:5002/v2/')).status === 0 ? true : undefined))
    await lab.ok(1, 'image', 'prune', '-af')
    const before = disk()
    const pulling = lab.spawnDocker(1, 'pull', 'localhost:5002/team/box:1')
    const ended = new Promise<void>(resolve => { pulling.once('exit', () => resolve()) })
    await eventually('half of it is there', 20_000, async () => (downloads().some(name => name.endsWith('.part') && existsSync(join(lab.folder, 'h1/data/downloads', name))) && readFileSync(log, 'utf8').includes('GET /v2/team/box/blobs') ? true : undefined))
    const part = join(lab.folder, 'h1/data/downloads', downloads().find(name => name.endsWith('.part')) ?? '')
    await eventually('the first half is on disk', 20_000, async () => (readFileSync(part).length > 100_000 ? true : undefined))
    await lab.lab('kill', '1')
    await ended
    rmSync(hold)
    await lab.start(1)
    writeFileSync(log, '')
    assert.match(await lab.ok(1, 'pull', 'localhost:5002/team/box:1'), /Status: Downloaded newer image/)
    assert.match(readFileSync(log, 'utf8'), /GET \/v2\/team\/box\/blobs\/sha256:[0-9a-f]{64} bytes=\d{5,}-/)
    assert.equal(await lab.ok(1, 'run', '--rm', 'localhost:5002/team/box:1', 'echo', 'whole'), 'whole')
    assert.deepEqual(downloads(), [])
    await lab.ok(1, 'rmi', 'localhost:5002/team/box:1')
    assert.deepEqual(disk(), before)
  } finally {
    const gone = new Promise<void>(resolve => { proxy.once('exit', () => resolve()) })
    if (proxy.exitCode === null && proxy.kill('SIGTERM')) await gone
  }
})

test('a service pulls what its host lacks, by the digest that it was pinned to', { skip }, async () => {
  await lab.ok(1, 'swarm', 'init', '--advertise-addr', '10.99.0.1')
  await lab.ok(1, 'service', 'create', '-d', '--stop-grace-period', '1s', '--name', 'pulled', `${PLAIN}/team/box:1`, 'sleep', '1000')
  assert.match(await lab.ok(1, 'service', 'inspect', '-f', '{{.Spec.TaskTemplate.ContainerSpec.Image}}', 'pulled'), /^localhost:5000\/team\/box:1@sha256:[0-9a-f]{64}$/)
  await eventually('the task runs', 30_000, async () => ((await lab.ok(1, 'service', 'ps', '--format', '{{.CurrentState}}', 'pulled')).startsWith('Running') ? true : undefined))
  await lab.ok(1, 'swarm', 'leave', '--force')
  await eventually('its container is gone', 30_000, async () => ((await lab.ok(1, 'ps', '-aq')) === '' ? true : undefined))
})

test('a layer that was changed in the registry is refused, and nothing of it stays', { skip }, async () => {
  await lab.ok(1, 'image', 'prune', '-af')
  const before = disk()
  const [layer = ''] = await plain.layers('team/box', '1')
  const path = plain.blobPath(layer)
  const bytes = readFileSync(path)
  bytes[1000] = (bytes[1000] ?? 0) ^ 1
  truncateSync(path)
  writeFileSync(path, bytes)
  const refused = await lab.docker(1, 'pull', `${PLAIN}/team/box:1`)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, new RegExp(`filesystem layer verification failed for digest ${layer}`))
  assert.deepEqual(disk(), before)
})
