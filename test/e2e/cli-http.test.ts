/** The stock docker CLI against the API with nothing behind it. Needs the CLI, not root. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { startApi } from '../support/fake-api.ts'
import { fakeBackends, type FakeBackends } from '../support/fake-backends.ts'

interface Result { readonly status: number | null; readonly out: string; readonly err: string }
type Docker = (args: readonly string[], input?: string) => Promise<Result>

/** A CLI that hangs is a failed test, not a hung suite. */
const CLI_TIMEOUT_MS = 20_000

async function withDocker(work: (docker: Docker, backends: FakeBackends, socketPath: string) => Promise<void>): Promise<void> {
  const backends = fakeBackends()
  await using api = await startApi(backends)
  const docker: Docker = (args, input) => new Promise((resolve, reject) => {
    const child = spawn('docker', args, { env: { PATH: process.env.PATH, HOME: '/nonexistent', DOCKER_HOST: `unix://${api.socketPath}` }, timeout: CLI_TIMEOUT_MS })
    let out = ''
    let err = ''
    child.stdout.on('data', chunk => { out += chunk })
    child.stderr.on('data', chunk => { err += chunk })
    child.on('error', reject)
    child.on('close', status => resolve({ status, out, err }))
    if (input !== undefined) child.stdin.end(input)
    else child.stdin.end()
  })
  await work(docker, backends, api.socketPath)
}

async function ok(result: Promise<Result>): Promise<string> {
  const { status, out, err } = await result
  assert.equal(status, 0, `${out}\n${err}`)
  return out
}

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
  assert.match(missing.err, /Error response from daemon: No such container: web2/)
}))
