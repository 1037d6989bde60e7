import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../support/lab.ts'
import { canRunContainers, createEngineFixture, logsOf, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
/** Kills spread over create, start, exit and remove. */
const ROUNDS = 12
/** For what takes milliseconds on an idle machine. */
const SOON_MS = 20_000
let fixture: EngineFixture

before(async () => { if (skip === false) fixture = await createEngineFixture() })
after(async () => { if (skip === false) await fixture[Symbol.asyncDispose]() })

/** Runs a daemon in a process of its own and resolves when it has printed something. */
async function host(mode: string): Promise<ChildProcess> {
  await fixture.engine[Symbol.asyncDispose]()
  const child = spawn(process.execPath, [join(import.meta.dirname, 'engine-host.js'), fixture.root, fixture.options.cgroupParent, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

async function killNow(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

test('a killed daemon takes nothing with it: same process, logs go on, the exit code is not lost', { skip }, async () => {
  const child = await host('run')
  const pid = (): number => Number(readFileSync(join(fixture.root, 'run/c', readdirSync(join(fixture.root, 'run/c'))[0] ?? '', 'pid'), 'utf8'))
  const before = pid()
  await killNow(child)
  const engine = await fixture.reopen()
  const { State: state } = await engine.containers.inspect('ticker')
  assert.equal(state?.Pid, before)
  assert.equal(state?.Status, 'running')
  const lines = (await logsOf(engine, 'ticker')).split('\n').length
  await eventually('the log goes on', SOON_MS, async () => (await logsOf(engine, 'ticker')).split('\n').length > lines || undefined)
  const exec = await engine.execs.create('ticker', { cmd: ['touch', '/tmp/stop'], attachStdin: false, attachStdout: true, attachStderr: true, tty: false, env: [], privileged: false })
  const { result } = await engine.containers.wait('ticker', 'not-running')
  await engine.execs.start(exec.Id, { detach: true, tty: false })
  assert.equal((await result).StatusCode, 9)
  await engine.containers.remove('ticker')
})

test('an exit while no daemon watches is found out afterwards', { skip }, async () => {
  const child = await host('run')
  await killNow(child)
  const merged = join(fixture.root, 'data/snapshots', readdirSync(join(fixture.root, 'data/snapshots'))[0] ?? '', 'merged')
  readdirSync(merged)
  spawn('touch', [join(merged, 'tmp/stop')])
  const exit = join(fixture.root, 'run/c', readdirSync(join(fixture.root, 'run/c'))[0] ?? '', 'exit')
  await eventually('the monitor writes down the exit', SOON_MS, async () => existsSync(exit) || undefined)
  const engine = await fixture.reopen()
  const { State: state } = await engine.containers.inspect('ticker')
  assert.equal(state?.Status, 'exited')
  assert.equal(state?.ExitCode, 9)
  await engine.containers.remove('ticker')
})

test('killed at any moment, the next daemon finds everything usable and leaves nothing behind', { skip }, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const child = await host('churn')
    await delay(round * 13)
    await killNow(child)
    const engine = await fixture.reopen()
    for (const { Id = '', State: state } of await engine.containers.list({ all: true })) {
      assert.notEqual(state, 'removing')
      if (state !== 'running') await engine.containers.start(Id)
      await engine.containers.remove(Id, { force: true })
    }
    assert.deepEqual(readdirSync(join(fixture.root, 'run/c')), [], `round ${round}: run-time folders`)
    assert.deepEqual(readdirSync(join(fixture.root, 'data/snapshots')), [], `round ${round}: snapshots`)
    assert.deepEqual(readdirSync(join(fixture.root, 'data/containers')), [], `round ${round}: records`)
    assert.deepEqual(fixture.options.kernel.mounts.under(fixture.root), [], `round ${round}: mounts`)
    const cgroup = join('/sys/fs/cgroup', fixture.options.kernel.cgroups.version === 1 ? 'pids' : '', fixture.options.cgroupParent)
    assert.deepEqual(readdirSync(cgroup, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(entry => entry.name), [], `round ${round}: cgroups`)
  }
})
