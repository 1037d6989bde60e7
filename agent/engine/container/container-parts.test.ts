import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { checkResources } from './check-resources.ts'
import { completeHostConfig, mergeConfig, mergeEnv, validateCreate } from './container-create.ts'
import { describeStatus, humanDuration } from './container-json.ts'
import { matchesFilters } from './container-filters.ts'
import { mountRequests, parseBind } from './container-mounts.ts'
import type { HostFacts } from './host-facts.ts'
import { generateName } from './container-names.ts'
import { NEW_STATE, type ContainerRecord } from './container-record.ts'
import { healthPlan, STARTING, stepHealth } from './health.ts'
import { restartDelay, startsWithDaemon } from './restart-policy.ts'
import { parseSignal } from './signals.ts'
import { parseProcessTable } from './top.ts'

const FACTS: HostFacts = { cpuCount: 2, memoryBytes: 2 ** 33, cgroupVersion: 1, capabilities: new Set(['CAP_CHOWN']), hasBlockWeight: true, hasSwapLimit: true, hasRealtime: true, cpus: '0-1', memoryNodes: '0', runtimes: ['crun', 'runc'], hasUserNamespaces: false }
const NO_FACTS = { ancestors: undefined, beforeMs: undefined, sinceMs: undefined }

function record(change: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    id: 'ab'.repeat(32), name: 'web', created: '2024-01-01T00:00:00Z', imageId: 'sha256:1', diffIds: [], config: { Cmd: ['true'], Labels: { a: 'b' } }, hostConfig: {}, endpoints: {}, mounts: [],
    state: NEW_STATE, restartCount: 0, stoppedByUser: false, ...change,
  }
}

test('shares of real time are refused where the kernel has none, at a create and at an update', () => {
  for (const asked of [{ CpuRealtimePeriod: 500_000 }, { CpuRealtimeRuntime: 1000 }]) {
    for (const isUpdate of [false, true]) assert.throws(() => checkResources(asked, { ...FACTS, hasRealtime: false }, isUpdate), { code: 'invalid-config', message: 'kernel does not support CPU real-time scheduler' })
    assert.deepEqual(checkResources(asked, FACTS).warnings, [])
  }
})

test("a user's entrypoint takes the image's command away, a user's command does not take its entrypoint", () => {
  const image = { Entrypoint: ['/entry'], Cmd: ['serve'], Env: ['A=1', 'B=2'], WorkingDir: '/srv' }
  assert.deepEqual(mergeConfig({ Entrypoint: ['/mine'] }, image).Cmd, null)
  const merged = mergeConfig({ Cmd: ['other'], Env: ['B=3', 'A'] }, image)
  assert.deepEqual([merged.Entrypoint, merged.Cmd, merged.Env, merged.WorkingDir], [['/entry'], ['other'], ['B=3'], '/srv'])
})

test('later variables win', () => {
  assert.deepEqual(mergeEnv(['A=1', 'B=1'], ['A=2=x']), ['A=2=x', 'B=1'])
})

test('a memory limit allows as much swap again', () => {
  assert.equal(completeHostConfig({ Memory: 100 }, FACTS).MemorySwap, 200)
  assert.equal(completeHostConfig({ Memory: 100, MemorySwap: -1 }, FACTS).MemorySwap, -1)
})

for (const [what, host, code] of [
  ['too little memory', { Memory: 1000 }, 'invalid-config'],
  ['more processors than there are', { NanoCpus: 3e9 }, 'invalid-config'],
  ['--rm with a restart policy', { AutoRemove: true, RestartPolicy: { Name: 'always' as const } }, 'invalid-config'],
  ['a user namespace', { UsernsMode: 'remap' }, 'invalid-config'],
] as const) {
  test(`create refuses ${what}`, () => { assert.throws(() => validateCreate({ Cmd: ['x'] }, host, FACTS), { code, kind: 'invalid-argument' }) })
}

test('create warns of what the machine lacks', () => {
  assert.equal(validateCreate({ Cmd: ['x'] }, { BlkioWeight: 500, CapDrop: ['ALL'] }, { ...FACTS, hasBlockWeight: false }).warnings.length, 1)
})

test('a bind needs an absolute target and known options', () => {
  assert.deepEqual(parseBind('/a/../b/:/c:ro,rslave', ''), { kind: 'bind', source: '/b', target: '/c', readOnly: true, propagation: 'rslave', createSource: true, recursive: true, mode: 'ro,rslave' })
  for (const text of ['a:b', '/a:/b:what', ':/b', '/a:/', '/a:/b:ro:x']) assert.throws(() => parseBind(text, ''), { code: 'invalid-mount' }, text)
})

test("an image's volume is not made where the user mounts something", () => {
  assert.equal(mountRequests({ Binds: ['data:/srv'] }, ['/srv/']).length, 1)
  assert.equal(mountRequests({ Tmpfs: { '/tmp': '' } }, ['/srv']).length, 2)
  assert.throws(() => mountRequests({ Binds: ['a1:/x', 'b1:/x'] }, []), { code: 'duplicate-mount' })
})

test('on-failure restarts as often as allowed and only after failures', () => {
  const policy = (restartCount: number): ContainerRecord => record({ restartCount, hostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } } })
  const run = { exitCode: 1, ranMs: 5, lastDelayMs: 0 }
  assert.equal(restartDelay(policy(1), run), 100)
  assert.equal(restartDelay(policy(2), run), undefined)
  assert.equal(restartDelay(policy(0), { ...run, exitCode: 0 }), undefined)
})

test('the restart delay doubles to a minute and starts anew after a stable run', () => {
  const always = record({ hostConfig: { RestartPolicy: { Name: 'always' } } })
  assert.equal(restartDelay(always, { exitCode: 0, ranMs: 5, lastDelayMs: 100 }), 200)
  assert.equal(restartDelay(always, { exitCode: 0, ranMs: 5, lastDelayMs: 50_000 }), 60_000)
  assert.equal(restartDelay(always, { exitCode: 0, ranMs: 10_000, lastDelayMs: 50_000 }), 100)
  assert.equal(restartDelay({ ...always, stoppedByUser: true }, { exitCode: 0, ranMs: 5, lastDelayMs: 0 }), undefined)
})

test('unless-stopped differs from always only in what the user stopped', () => {
  const stopped = (Name: 'always' | 'unless-stopped'): ContainerRecord => record({ stoppedByUser: true, state: { ...NEW_STATE, status: 'exited' }, hostConfig: { RestartPolicy: { Name } } })
  assert.equal(startsWithDaemon(stopped('always')), true)
  assert.equal(startsWithDaemon(stopped('unless-stopped')), false)
})

test('health turns unhealthy after its retries, not within the start period', () => {
  const plan = healthPlan({ Test: ['CMD', 'x'], Retries: 2, StartPeriod: 10e9 }, null)
  assert.ok(plan !== undefined)
  const bad = { ExitCode: 1 }
  assert.equal(stepHealth(STARTING, bad, plan, 5000).FailingStreak, 0)
  const once = stepHealth(STARTING, bad, plan, 20_000)
  assert.deepEqual([once.Status, once.FailingStreak], ['starting', 1])
  assert.equal(stepHealth(once, bad, plan, 21_000).Status, 'unhealthy')
  assert.equal(stepHealth(once, { ExitCode: 0 }, plan, 21_000).Status, 'healthy')
  assert.equal(healthPlan({ Test: ['NONE'] }, null), undefined)
})

test('ages are told as people say them', () => {
  assert.deepEqual([500, 1000, 59_000, 90_000, 600_000, 4_000_000, 3 * 3_600_000, 3 * 86_400_000].map(humanDuration),
    ['Less than a second', '1 second', '59 seconds', 'About a minute', '10 minutes', 'About an hour', '3 hours', '3 days'])
})

test('status tells health and exit codes', () => {
  const up = record({ state: { ...NEW_STATE, status: 'running', startedAt: '2024-01-01T00:00:00Z', health: { Status: 'healthy' } } })
  assert.equal(describeStatus(up, Date.parse('2024-01-01T00:05:00Z')), 'Up 5 minutes (healthy)')
  assert.equal(describeStatus({ ...up, state: { ...up.state, status: 'exited', exitCode: 3, finishedAt: '2024-01-01T00:00:00Z' } }, Date.parse('2024-01-01T02:00:00Z')), 'Exited (3) 2 hours ago')
})

test('filters: values of one are alternatives, labels and different filters are all required', () => {
  const web = record()
  assert.equal(matchesFilters(web, { name: ['^/web$'], label: ['a=b'] }, NO_FACTS), true)
  assert.equal(matchesFilters(web, { name: ['x', 'we'], label: ['a', 'c'] }, NO_FACTS), false)
  assert.equal(matchesFilters(web, { status: ['running'] }, NO_FACTS), false)
  assert.equal(matchesFilters(web, { 'is-task': ['true'] }, NO_FACTS), false)
})

test('a generated name is a free one', () => {
  const taken = new Set<string>()
  for (let i = 0; i < 3000; i++) taken.add(generateName(new SeededRandom(i), name => taken.has(name)))
  assert.equal(taken.size, 3000)
})

test('signals by name and number', () => {
  assert.deepEqual(['SIGTERM', 'hup', '9', 'RTMIN+3'].map(parseSignal), [15, 1, 9, 37])
  assert.throws(() => parseSignal('NOPE'), { code: 'invalid-signal' })
})

test('top keeps the lines of a container and the blanks of its commands', () => {
  const text = 'UID   PID CMD\nroot    1 init\nweb    42 sh -c true\n'
  assert.deepEqual(parseProcessTable(text, new Set([42])), { Titles: ['UID', 'PID', 'CMD'], Processes: [['web', '42', 'sh -c true']] })
})
