/** The stock docker CLI against the API with nothing behind it. Needs the CLI, not root. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { startApi } from '../support/fake-api.ts'
import { fakeBackends, type FakeBackends } from '../support/fake-backends.ts'

interface Result { readonly status: number | null; readonly out: string; readonly err: string }
type Docker = (args: readonly string[], input?: string) => Promise<Result>

/** A CLI that hangs is a failed test, not a hung suite. */
const CLI_TIMEOUT_MS = 20_000

async function withDocker(work: (docker: Docker, backends: FakeBackends) => Promise<void>, cli = 'docker'): Promise<void> {
  const backends = fakeBackends()
  await using api = await startApi(backends)
  const docker: Docker = (args, input) => new Promise((resolve, reject) => {
    const child = spawn(cli, args, { env: { PATH: process.env.PATH, HOME: '/nonexistent', DOCKER_HOST: `unix://${api.socketPath}` }, timeout: CLI_TIMEOUT_MS })
    let out = ''
    let err = ''
    child.stdout.on('data', chunk => { out += chunk })
    child.stderr.on('data', chunk => { err += chunk })
    child.on('error', reject)
    child.on('close', status => resolve({ status, out, err }))
    if (input !== undefined) child.stdin.end(input)
    else child.stdin.end()
  })
  await work(docker, backends)
}

async function ok(result: Promise<Result>): Promise<string> {
  const { status, out, err } = await result
  assert.equal(status, 0, `${out}\n${err}`)
  return out
}

/** Every stock CLI on this machine, newest first. */
const CLIS = ['/usr/local/bin/docker', '/usr/bin/docker'].filter(path => existsSync(path))

test('docker version shows client and server', async () => withDocker(async docker => {
  const out = await ok(docker(['version']))
  assert.match(out, /Server: Shoal/)
  assert.match(out, /API version: +1\.50 \(minimum version 1\.24\)/)
}))

test('docker info shows the host and an inactive swarm', async () => withDocker(async docker => {
  const out = await ok(docker(['info']))
  assert.match(out, /Swarm: inactive/)
  assert.match(out, /Name: testhost/)
  assert.doesNotMatch(out, /ERROR|WARNING/)
}))

test('docker run prints the output and removes the container', async () => withDocker(async docker => {
  assert.equal(await ok(docker(['run', '--rm', 'busybox', 'echo', 'hello', 'world'])), 'hello world\n')
  assert.equal((await ok(docker(['ps', '-aq']))), '')
}))

test('docker run ends with the exit status and tells the streams apart', async () => withDocker(async docker => {
  assert.deepEqual(await docker(['run', 'busybox', 'exit', '3']), { status: 3, out: '', err: 'failing\n' })
}))

test('docker run -i sends its input and its end', async () => withDocker(async docker => {
  assert.equal(await ok(docker(['run', '-i', '--rm', 'busybox', 'cat'], 'one\ntwo\n')), 'one\ntwo\n')
}))

test('docker run of a missing image reports the pull error', async () => withDocker(async docker => {
  const { status, err } = await docker(['run', 'missing'])
  assert.equal(status, 125)
  assert.match(err, /Unable to find image 'missing:latest' locally/)
}))

test('docker run on a missing network says so and pulls nothing', async () => withDocker(async docker => {
  const { status, err } = await docker(['run', '--network', 'missing', 'busybox'])
  assert.equal(status, 125)
  assert.match(err, /Error response from daemon: network missing not found/)
  assert.doesNotMatch(err, /Unable to find image/)
}))

test('docker logs -f follows until the container ends', async () => withDocker(async (docker, backends) => {
  const id = (await ok(docker(['run', '-d', 'busybox', 'serve']))).trim()
  backends.containers.print(id, 'first\n')
  const following = docker(['logs', '-f', id])
  await new Promise(resolve => setTimeout(resolve, 300))
  backends.containers.print(id, 'second\n')
  await ok(docker(['stop', id]))
  assert.equal(await ok(following), 'first\nsecond\n')
}))

test('docker ps, inspect, wait, top, stats, kill, rename and rm work', async () => withDocker(async (docker, backends) => {
  const id = (await ok(docker(['create', '--name', 'web', 'busybox', 'serve']))).trim()
  await ok(docker(['start', 'web']))
  assert.match(await ok(docker(['ps'])), /web/)
  assert.equal(await ok(docker(['inspect', '-f', '{{.Id}} {{.State.Status}}', 'web'])), `${id} running\n`)
  assert.match(await ok(docker(['top', 'web'])), /init/)
  assert.match(await ok(docker(['stats', '--no-stream', 'web'])), /1MiB \/ 4MiB/)
  const waiting = docker(['wait', 'web'])
  await new Promise(resolve => setTimeout(resolve, 200))
  await ok(docker(['kill', '-s', 'TERM', 'web']))
  assert.equal(await ok(waiting), '137\n')
  assert.deepEqual(backends.containers.calls, ['kill TERM'])
  await ok(docker(['rename', 'web', 'web2']))
  assert.equal(await ok(docker(['rm', 'web2'])), 'web2\n')
  const missing = await docker(['rm', 'web2'])
  assert.match(missing.err, /Error( response from daemon)?: No such container: web2/)
}))

test('docker swarm init, node ls and info work', async () => withDocker(async docker => {
  const out = await ok(docker(['swarm', 'init', '--advertise-addr', '10.0.0.1']))
  assert.match(out, /Swarm initialized: current node \(\w{25}\) is now a manager\./)
  assert.match(out, /docker swarm join --token SWMTKN-1-w 10\.0\.0\.1:2377/)
  assert.match(await ok(docker(['node', 'ls'])), /\w{25} \* +testhost +Ready +Active +Leader +0\.1\.0/)
  assert.match(await ok(docker(['info'])), /Swarm: active[\s\S]*Is Manager: true/)
  assert.match(await ok(docker(['swarm', 'join-token', '-q', 'worker'])), /^SWMTKN-1-w$/m)
  await ok(docker(['swarm', 'update', '--task-history-limit', '3']))
  await ok(docker(['node', 'update', '--label-add', 'zone=a', '--availability', 'drain', 'testhost']))
  assert.match(await ok(docker(['node', 'inspect', '--pretty', 'self'])), /- zone=a[\s\S]*Availability:\s+Drain/)
  await ok(docker(['swarm', 'leave', '--force']))
  const refused = await docker(['node', 'ls'])
  assert.match(refused.err, /Error response from daemon: This node is not a swarm manager\. Use "docker swarm init"/)
}))

test('docker service create waits, and ls, ps, inspect, scale, update, logs and rm work', async () => withDocker(async (docker, backends) => {
  await ok(docker(['swarm', 'init']))
  const out = await ok(docker(['service', 'create', '--name', 'web', '--replicas', '2', '--update-monitor', '50ms', '-p', '8080:80', '-e', 'A=b', '--limit-memory', '64m', '--mount', 'type=volume,source=v,target=/v', 'busybox', 'serve']))
  assert.match(out, /^\w{25}\n/)
  assert.match(out, /verify: Service (\w+ )?converged/)
  assert.match(await ok(docker(['service', 'ls'])), /web +replicated +2\/2 +busybox/)
  assert.match(await ok(docker(['service', 'ps', 'web'])), /web\.1 +busybox\S* +testhost +Running +Running/)
  assert.match(await ok(docker(['service', 'inspect', '--pretty', 'web'])), /Target:\s+\/v[\s\S]*Memory:\s+64MiB/)
  await ok(docker(['service', 'scale', '-d', 'web=3']))
  assert.match(await ok(docker(['service', 'ls'])), /3\/3/)
  await ok(docker(['service', 'update', '-d', '--env-add', 'C=d', 'web']))
  // The stock client sends them in an order of its own, another each time.
  const variables = JSON.parse(await ok(docker(['service', 'inspect', '-f', '{{json .Spec.TaskTemplate.ContainerSpec.Env}}', 'web']))) as string[]
  assert.deepEqual(variables.sort(), ['A=b', 'C=d'])
  backends.control.logs = [{ warning: '', messages: [{ stream: 'stdout', data: Buffer.from('hello\n'), attributes: [], timestamp: '2026-01-01T00:00:00Z', context: await context(backends) }] }]
  assert.match(await ok(docker(['service', 'logs', 'web'])), /^web\.1\.\w+@testhost +\| hello$/m)
  assert.equal(await ok(docker(['service', 'rm', 'web'])), 'web\n')
  assert.match((await docker(['service', 'inspect', 'web'])).err, /no such service: web/)
}))

async function context(backends: FakeBackends): Promise<{ serviceId: string; nodeId: string; taskId: string }> {
  const [task] = await backends.control.list('task', {})
  return { serviceId: task?.serviceId ?? '', nodeId: task?.nodeId ?? '', taskId: task?.id ?? '' }
}

test('docker secret, config, network and volume commands work', async () => withDocker(async docker => {
  await ok(docker(['swarm', 'init']))
  await ok(docker(['secret', 'create', 'pw', '-'], 'secret'))
  assert.match(await ok(docker(['secret', 'ls'])), /pw/)
  await ok(docker(['config', 'create', 'conf', '-'], 'payload'))
  assert.match(await ok(docker(['config', 'inspect', '--pretty', 'conf'])), /payload/)
  await ok(docker(['network', 'create', '-d', 'overlay', '--attachable', '--subnet', '10.9.0.0/24', 'ov']))
  await ok(docker(['network', 'create', 'br']))
  const networks = await ok(docker(['network', 'ls']))
  assert.match(networks, /ov +overlay +swarm/)
  assert.match(networks, /br +bridge +local/)
  assert.equal(await ok(docker(['network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}} {{.Attachable}}', 'ov'])), '10.9.0.0/24 true\n')
  await ok(docker(['network', 'rm', 'ov', 'br']))
  assert.equal(await ok(docker(['volume', 'create', 'v'])), 'v\n')
  assert.match(await ok(docker(['volume', 'ls'])), /local +v/)
  await ok(docker(['volume', 'rm', 'v']))
  assert.match((await docker(['secret', 'create', 'pw', '-'], 'x')).err, /rpc error: code = AlreadyExists desc = name conflicts/)
  await ok(docker(['secret', 'rm', 'pw']))
}))

test('docker stack deploy, services, ps and rm work', async () => withDocker(async docker => {
  await ok(docker(['swarm', 'init']))
  const file = 'version: "3.8"\nservices:\n  web:\n    image: busybox\n    deploy:\n      replicas: 2\n    networks: [front]\nnetworks:\n  front: {}\n'
  const out = await ok(docker(['stack', 'deploy', '--resolve-image', 'never', '-c', '-', 'demo'], file))
  assert.match(out, /Creating network demo_front/)
  assert.match(out, /Creating service demo_web/)
  assert.match(await ok(docker(['stack', 'ls'])), /demo +1/)
  assert.match(await ok(docker(['stack', 'services', 'demo'])), /demo_web +replicated +2\/2/)
  assert.match(await ok(docker(['stack', 'ps', 'demo'])), /demo_web\.1/)
  assert.match(await ok(docker(['stack', 'deploy', '--resolve-image', 'never', '-c', '-', 'demo'], file)), /Updating service demo_web/)
  assert.match(await ok(docker(['stack', 'rm', 'demo'])), /Removing network demo_front/)
}))

test('docker images, load, import, tag, system df, events and plugin ls work', async () => withDocker(async (docker, backends) => {
  assert.match(await ok(docker(['images'])), /busybox +latest/)
  assert.match(await ok(docker(['load'], 'tar')), /Loaded image: busybox:latest/)
  assert.match(await ok(docker(['import', '-', 'x:y'], 'tar')), /sha256:3/)
  await ok(docker(['tag', 'busybox', 'b2']))
  assert.match(await ok(docker(['system', 'df'])), /Images +1/)
  assert.match(await ok(docker(['plugin', 'ls'])), /^ID/)
  backends.recentEvents.push({ Type: 'container', Action: 'start', Actor: { ID: 'abc', Attributes: { name: 'web', image: 'busybox' } }, scope: 'local', time: 1_767_225_600, timeNano: 1_767_225_600_000_000_000 })
  assert.match(await ok(docker(['events', '--since', '2026-01-01T00:00:00Z', '--until', '2026-01-01T00:00:01Z'])), /container start abc \(image=busybox, name=web\)/)
  assert.match((await docker(['plugin', 'install', '--grant-all-permissions', 'x/y'])).err, /not supported by shoal/)
  assert.match((await docker(['search', 'x'])).err, /not supported by shoal/)
}))

test('docker exec runs, with input and exit status', async () => withDocker(async docker => {
  await ok(docker(['run', '-d', '--name', 'web', 'busybox', 'serve']))
  assert.equal(await ok(docker(['exec', 'web', 'echo', 'hi'])), 'echo hi\n')
  assert.equal(await ok(docker(['exec', '-i', 'web', 'cat'], 'typed')), 'cat\ntyped')
  assert.equal((await docker(['exec', 'web', 'false'])).status, 1)
  assert.equal(await ok(docker(['exec', '-d', 'web', 'echo'])), '')
}))

test('docker inspect of nothing tries every kind, and docker system prune goes through', async () => withDocker(async docker => {
  const { status, err } = await docker(['inspect', 'nothing'])
  assert.deepEqual([status, err.trim()], [1, 'Error: No such object: nothing'])
  await ok(docker(['swarm', 'init']))
  await ok(docker(['network', 'create', '-d', 'overlay', 'ov']))
  assert.match((await docker(['inspect', 'nothing'])).err, /o such object: nothing/)
  assert.match(await ok(docker(['system', 'prune', '-f', '--volumes'])), /Deleted Networks:\nov\n/)
  assert.match(await ok(docker(['inspect', '-f', '{{.Spec.Role}}', 'testhost'])), /manager/)
}))

test('an older CLI works the same', async () => {
  for (const cli of CLIS.slice(1)) {
    await withDocker(async docker => {
      assert.match(await ok(docker(['version'])), /API version: +1\.50 \(minimum version 1\.24\)/)
      assert.equal(await ok(docker(['run', '--rm', 'busybox', 'echo', 'hello'])), 'hello\n')
      assert.equal(await ok(docker(['run', '-i', '--rm', 'busybox', 'cat'], 'in')), 'in')
      await ok(docker(['swarm', 'init']))
      await ok(docker(['service', 'create', '--name', 'web', '--update-monitor', '50ms', 'busybox']))
      assert.match(await ok(docker(['service', 'ls'])), /web +replicated +1\/1/)
      assert.match(await ok(docker(['service', 'inspect', '--pretty', 'web'])), /Replicas:\s+1/)
      await ok(docker(['service', 'rollback', '-d', 'web']))
      assert.match(await ok(docker(['info'])), /Swarm: active/)
    }, cli)
  }
})

test('what is left out says so', async () => withDocker(async docker => {
  assert.match((await docker(['pull', 'busybox'])).err, /pulling from a registry is not supported by shoal: bring the image with "docker load" or "docker import"/)
  assert.match((await docker(['login', '-u', 'a', '-p', 'b', 'example.org'])).err, /logging in to a registry is not supported by shoal/)
  assert.match((await docker(['commit', 'x'])).err, /is not supported by shoal/)
}))
