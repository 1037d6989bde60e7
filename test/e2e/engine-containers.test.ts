import type { AttachOptions, ExecConfig } from '../../src/api/engine/engine-calls.ts'
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { LocalEngine } from '../../agent/engine/local-engine.ts'
import { encodeFrame, FRAME } from '../../agent/engine/runtime/monitor-frames.ts'
import { eventually } from '../support/lab.ts'
import { canRunContainers, createEngineFixture, logsOf, request, run, textOf, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
/** For what takes milliseconds on an idle machine. */
const SOON_MS = 20_000
const ATTACH: AttachOptions = { stdin: true, stdout: true, stderr: true, logs: false, stream: true }
const EXEC: Omit<ExecConfig, 'cmd'> = { attachStdin: false, attachStdout: true, attachStderr: true, tty: false, env: [], privileged: false }
let fixture: EngineFixture
let engine: LocalEngine

before(async () => {
  if (skip !== false) return
  fixture = await createEngineFixture()
  engine = fixture.engine
})
after(async () => {
  if (skip !== false) return
  await fixture[Symbol.asyncDispose]()
  assert.deepEqual(fixture.logger.lines.filter(line => line.level === 'error'), [])
})

/** Runs to the end and removes. */
async function outcome(create: Parameters<typeof run>[1]): Promise<{ readonly code: number; readonly text: string }> {
  const { id, exit } = await run(engine, create)
  const code = await exit
  const text = await logsOf(engine, id)
  await engine.containers.remove(id, { volumes: true })
  return { code, text }
}

async function execute(id: string, config: Partial<ExecConfig> & Pick<ExecConfig, 'cmd'>): Promise<{ readonly code: unknown; readonly text: string }> {
  const { Id } = await engine.execs.create(id, { ...EXEC, ...config })
  const attachment = await engine.execs.start(Id, { detach: false, tty: false })
  assert.ok(attachment !== undefined)
  const text = await textOf(attachment.stream, attachment.tty)
  await eventually('the exec has ended', SOON_MS, async () => (await engine.execs.inspect(Id))['Running'] !== true || undefined)
  return { code: (await engine.execs.inspect(Id))['ExitCode'], text }
}

test('a container runs, its exit code and output are kept, and it goes away', { skip }, async () => {
  const { id, exit } = await run(engine, request(['sh', '-c', 'echo out; echo err >&2; exit 3']))
  assert.equal(await exit, 3)
  assert.equal(await logsOf(engine, id), 'out\nerr\n')
  const { State: state } = await engine.containers.inspect(id)
  assert.deepEqual([state?.Status, state?.ExitCode, state?.OOMKilled], ['exited', 3, false])
  await engine.containers.remove(id)
  await assert.rejects(engine.containers.inspect(id), { code: 'no-such-container' })
})

test('what is attached before the start misses nothing, and its end of input is the end of input', { skip }, async () => {
  const { Id } = await engine.containers.create(request(['cat'], { config: { OpenStdin: true, StdinOnce: true } }))
  const { stream } = await engine.containers.attach(Id, ATTACH)
  const { result } = await engine.containers.wait(Id, 'next-exit')
  await engine.containers.start(Id)
  stream.write('hello ')
  stream.end('world')
  assert.equal(await textOf(stream), 'hello world')
  assert.equal((await result).StatusCode, 0)
  await engine.containers.remove(Id)
})

test('a terminal has its size, can be resized and echoes', { skip }, async () => {
  const { Id } = await engine.containers.create(request(['sh', '-c', 'stty size; read x; echo got $x; stty size'], { config: { Tty: true, OpenStdin: true }, hostConfig: { ConsoleSize: [30, 100] } }))
  const { stream } = await engine.containers.attach(Id, ATTACH)
  await engine.containers.start(Id)
  await engine.containers.resize(Id, { height: 40, width: 132 })
  stream.write('abc\n')
  const text = await textOf(stream, true)
  assert.match(text, /got abc\r\n40 132\r\n$/)
  await engine.containers.remove(Id, { force: true })
})

test('a client that never reads does not hold up the container', { skip }, async () => {
  const { id, exit } = await run(engine, request(['sh', '-c', 'read x; seq 1 1000000'], { config: { OpenStdin: true } }))
  const stuck = connect(join(fixture.root, 'run/c', id.slice(0, 24), 's'))
  stuck.pause()
  stuck.write(encodeFrame(FRAME.attach, Uint8Array.of(3)))
  const { stream } = await engine.containers.attach(id, { ...ATTACH, stdout: false, stderr: false })
  stream.write('go\n')
  assert.equal(await exit, 0)
  assert.ok((await logsOf(engine, id)).endsWith('\n999999\n1000000\n'))
  stuck.destroy()
  stream.destroy()
  await engine.containers.remove(id)
})

test('exec has its own command, user and exit code, and the seccomp filter of the container', { skip }, async () => {
  const { id } = await run(engine, request(['sleep', '100']))
  // The second container is started with the cached filter.
  const { id: second } = await run(engine, request(['sh', '-c', 'grep Seccomp: /proc/self/status; sleep 100']))
  assert.match((await execute(second, { cmd: ['grep', 'Seccomp:', '/proc/self/status'] })).text, /\t2\n/)
  await eventually('it has looked itself', SOON_MS, async () => /\t2\n/.test(await logsOf(engine, second)) || undefined)
  const { code, text } = await execute(id, { cmd: ['sh', '-c', 'id; exit 4'], user: 'web' })
  assert.equal(code, 4)
  assert.match(text, /uid=1000\(web\) gid=1000\(web\) groups=.*4\(logs\)/)
  // Whoever is attached reads the reason where the output would have been.
  const failed = await execute(id, { cmd: ['nosuch'] })
  assert.equal(failed.code, 126)
  assert.match(failed.text, /executable file not found in \$PATH/)
  for (const ref of [id, second]) await engine.containers.remove(ref, { force: true })
})

test('stop sends the signal and waits, kill is at once, restart makes a new process', { skip }, async () => {
  const { id, exit } = await run(engine, request(['sh', '-c', 'trap "exit 5" TERM; echo ready; while true; do sleep 0.05; done']))
  await eventually('it listens to signals', SOON_MS, async () => (await logsOf(engine, id)).includes('ready') || undefined)
  await engine.containers.stop(id)
  assert.equal(await exit, 5)
  await assert.rejects(engine.containers.stop(id), { kind: 'not-modified' })
  await engine.containers.start(id)
  await assert.rejects(engine.containers.start(id), { kind: 'not-modified' })
  const first = (await engine.containers.inspect(id)).State?.Pid
  await engine.containers.restart(id, { timeoutSeconds: 0 })
  assert.notEqual((await engine.containers.inspect(id)).State?.Pid, first)
  await engine.containers.kill(id)
  assert.equal((await engine.containers.inspect(id)).State?.ExitCode, 137)
  await assert.rejects(engine.containers.kill(id), { kind: 'conflict', code: 'not-running' })
  await engine.containers.remove(id)
})

test('a paused container stands still and can be stopped', { skip }, async () => {
  const { id } = await run(engine, request(['sleep', '100']))
  await engine.containers.pause(id)
  assert.equal((await engine.containers.inspect(id)).State?.Status, 'paused')
  await assert.rejects(execute(id, { cmd: ['true'] }), { code: 'paused' })
  await engine.containers.unpause(id)
  await engine.containers.pause(id)
  await engine.containers.remove(id, { force: true })
})

test('running out of memory is told apart from being killed', { skip }, async () => {
  const { id, exit } = await run(engine, request(['sh', '-c', 'exec dd if=/dev/zero of=/dev/shm/x bs=1M count=90'], { hostConfig: { Memory: 32 << 20, MemorySwap: 32 << 20, ShmSize: 100 << 20 } }))
  assert.equal(await exit, 137)
  assert.equal((await engine.containers.inspect(id)).State?.OOMKilled, true)
  await engine.containers.remove(id)
})

test('limits reach the cgroup', { skip }, async () => {
  const { id } = await run(engine, request(['sleep', '100'], { hostConfig: { Memory: 64 << 20, NanoCpus: 5e8, PidsLimit: 50 } }))
  const { kernel: { cgroups }, cgroupParent } = fixture.options
  const read = (controller: 'memory' | 'pids', v1: string, v2: string): string | undefined => cgroups.read(`${cgroupParent}/${id}`, controller, cgroups.version === 1 ? v1 : v2)?.trim()
  assert.equal(read('memory', 'memory.limit_in_bytes', 'memory.max'), String(64 << 20))
  assert.equal(read('pids', 'pids.max', 'pids.max'), '50')
  for await (const stats of engine.containers.stats(id, { stream: false, oneShot: true })) assert.deepEqual(stats['pids_stats'], { current: 1, limit: 50 })
  await engine.containers.remove(id, { force: true })
})

test('a restart policy brings it back as often as it says', { skip }, async () => {
  const { id } = await run(engine, request(['false'], { hostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } } }))
  await (await engine.containers.wait(id, 'not-running')).result
  assert.equal((await engine.containers.inspect(id)).RestartCount, 2)
  await engine.containers.remove(id)
})

test('--rm removes it with its anonymous volumes, and whoever waits for that learns the exit code', { skip }, async () => {
  const { Id } = await engine.containers.create(request(['sh', '-c', 'exit 6'], { config: { Volumes: { '/v': {} } }, hostConfig: { AutoRemove: true } }))
  const { result } = await engine.containers.wait(Id, 'removed')
  await engine.containers.start(Id)
  assert.equal((await result).StatusCode, 6)
  await eventually('its volume is gone', SOON_MS, async () => (await engine.volumes.list()).Volumes?.length === 0 || undefined)
})

test('binds, volumes with the image\'s contents, tmpfs and a read-only root', { skip }, async () => {
  const bind = join(fixture.root, 'bind')
  mkdirSync(bind)
  const { text } = await outcome(request(['sh', '-c', 'touch /b/x && touch /ro/x || echo ro; touch /t/x && touch /etc/y && touch /z || echo ro; ls /etc/passwd'], {
    hostConfig: { Binds: [`${bind}:/b`, `${bind}:/ro:ro`, 'etc:/etc'], Tmpfs: { '/t': 'size=1m' }, ReadonlyRootfs: true },
  }))
  assert.equal(text.split('\n').filter(line => line === 'ro').length, 2)
  assert.match(text, /^\/etc\/passwd$/m)
  assert.deepEqual(readdirSync(bind), ['x'])
  const volume = await engine.volumes.inspect('etc')
  assert.ok(readdirSync(volume.Mountpoint ?? '').includes('y'))
  await engine.volumes.remove('etc', false)
})

test('user, environment, working directory and host name', { skip }, async () => {
  const { text } = await outcome(request(['sh', '-c', 'id -un; echo $A $HOME; pwd; hostname; ls -ld . | cut -c1-1; touch here && echo mine'], { config: { User: 'web', Env: ['A=b'], WorkingDir: '/work/dir', Hostname: 'hh' } }))
  assert.deepEqual(text.split('\n').slice(0, 4), ['web', 'b /home/web', '/work/dir', 'hh'])
  // As with dockerd, a working directory that was not there is root's.
  assert.match(text, /Permission denied\n$/)
})

test('privileged may mount, others may not', { skip }, async () => {
  const mount = ['sh', '-c', 'mount -t tmpfs x /tmp && echo mounted']
  assert.equal((await outcome(request(mount, { hostConfig: { Privileged: true } }))).text, 'mounted\n')
  assert.notEqual((await outcome(request(mount))).code, 0)
  assert.notEqual((await outcome(request(mount, { hostConfig: { CapAdd: ['SYS_ADMIN'], CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] }, config: { User: 'web' } }))).code, 0)
})

test('--init is process 1 and gives the command\'s exit code', { skip }, async () => {
  const { code, text } = await outcome(request(['sh', '-c', 'cat /proc/1/comm; exit 7'], { hostConfig: { Init: true } }))
  assert.deepEqual([code, text], [7, 'docker-init\n'])
})

test('a command that is not there leaves a created container with code 127', { skip }, async () => {
  const { Id } = await engine.containers.create(request(['nosuch']))
  await assert.rejects(engine.containers.start(Id), { code: 'runtime-failed', message: /executable file not found in \$PATH/ })
  const { State: state } = await engine.containers.inspect(Id)
  assert.deepEqual([state?.Status, state?.ExitCode], ['created', 127])
  await engine.containers.remove(Id)
})

test('health is probed with an exec and shown', { skip }, async () => {
  const { id } = await run(engine, request(['sleep', '100'], { config: { Healthcheck: { Test: ['CMD-SHELL', 'echo fine'], Interval: 5e7, Retries: 1 } } }))
  await eventually('a probe has passed', SOON_MS, async () => (await engine.containers.inspect(id)).State?.Health?.Status === 'healthy' || undefined)
  const { State: state } = await engine.containers.inspect(id)
  assert.deepEqual([state?.Health?.Status, state?.Health?.Log?.[0]?.Output], ['healthy', 'fine\n'])
  await engine.containers.remove(id, { force: true })
})

test('a name is taken once, and given back', { skip }, async () => {
  const { Id } = await engine.containers.create(request(['true'], { name: 'one' }))
  await assert.rejects(engine.containers.create(request(['true'], { name: 'one' })), { code: 'name-in-use', kind: 'conflict' })
  await engine.containers.rename('one', 'two')
  const other = await engine.containers.create(request(['true'], { name: 'one' }))
  assert.deepEqual((await engine.containers.list({ all: true, filters: { name: ['^/(one|two)$'] } })).map(({ Id: id }) => id), [other.Id, Id])
  for (const name of ['one', 'two']) await engine.containers.remove(name)
})

test('following a log ends with the container and has all of it', { skip }, async () => {
  const { id, exit } = await run(engine, request(['sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.05; done']))
  const { stream } = await engine.containers.logs(id, { stdout: true, stderr: true, follow: true })
  assert.equal(await textOf(stream), '1\n2\n3\n')
  await exit
  await engine.containers.remove(id)
})

test('events tell the life of a container in order', { skip }, async () => {
  const abort = new AbortController()
  const seen: string[] = []
  const reading = (async () => { for await (const event of engine.events.subscribe(abort.signal)) if (event.Type === 'container') seen.push(event.Action ?? '') })()
  await outcome(request(['true']))
  abort.abort()
  await reading
  assert.deepEqual(seen, ['create', 'start', 'die', 'destroy'])
})

test('an engine that is closed leaves containers and execs running; the next one has them', { skip }, async () => {
  const { id } = await run(engine, request(['sleep', '100'], { name: 'stays' }))
  const { Id } = await engine.execs.create(id, { ...EXEC, cmd: ['sleep', '100'] })
  await engine.execs.start(Id, { detach: true, tty: false })
  const before = (await engine.containers.inspect(id)).State?.Pid
  await engine[Symbol.asyncDispose]()
  engine = await fixture.reopen()
  const { State: state } = await engine.containers.inspect('stays')
  assert.deepEqual([state?.Status, state?.Pid], ['running', before])
  assert.equal((await engine.containers.top(id)).Processes.length, 2)
  await engine.containers.remove(id, { force: true })
})
