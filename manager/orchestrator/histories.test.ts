import assert from 'node:assert/strict'
import test from 'node:test'
import type { Draft } from '../../src/api/codec/codec.ts'
import { make } from '../../src/api/codec/codec.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import type { FailureAction, ServiceSpec, UpdateOrder } from '../../src/api/swarm/specs.ts'
import { isTaskDesired, isTaskLive, isTerminal, serviceMode, stateOf } from '../../src/api/swarm/task-state.ts'
import { randomInt, type Random } from '../../src/base/random.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { nodeDraft, serviceDraft, TaskWorld, withImage } from '../../test/support/task-world.ts'

/** SEED=… repeats one history; HISTORIES=… runs more of them. */
const SEED = Number(process.env['SEED'] ?? 0)
const HISTORIES = Number(process.env['HISTORIES'] ?? 15)
const EVENTS = 40
const NODES = ['n1', 'n2', 'n3']

interface History { readonly world: TaskWorld; readonly random: Random; readonly log: string[]; readonly order: UpdateOrder }

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[randomInt(random, values.length)]
  assert(value !== undefined)
  return value
}

async function begin(seed: number, mode: 'replicated' | 'global' | 'job'): Promise<History> {
  const random = new SeededRandom(seed)
  const order = pick<UpdateOrder>(random, ['stop-first', 'start-first'])
  const update = {
    parallelism: randomInt(random, 3), delayNs: randomInt(random, 2) * 3e9, order, maxFailureRatio: pick(random, [0, 0.4]),
    failureAction: pick<FailureAction>(random, ['pause', 'continue', 'rollback']),
  }
  const restart = { condition: 'any', delayNs: randomInt(random, 3) * 2e9 } as const
  const spec: Draft<ServiceSpec> = mode === 'replicated' ? { replicated: { replicas: 3 }, update, rollback: update, task: { restart } }
    : mode === 'global' ? { global: {}, update, rollback: update, task: { restart } }
      : { replicatedJob: { maxConcurrent: 2, totalCompletions: 4 }, task: { restart } }
  const world = await TaskWorld.create([...NODES.map(nodeDraft), serviceDraft(spec, mode === 'job' ? { jobStatus: {} } : {})])
  return { world, random, log: [JSON.stringify({ mode, update, restart })], order }
}

async function event({ world, random, log }: History): Promise<void> {
  const choice = randomInt(random, 12)
  const node = pick(random, NODES)
  const say = (text: string): void => { log.push(`${world.nowMs % 1_000_000} ${text}`) }
  if (choice < 3) {
    const running = world.tasks().filter(task => task.nodeId !== '' && isTaskLive(task) && stateOf(task) !== 'assigned')
    if (running.length === 0) return
    const task = pick(random, running)
    const state = pick(random, ['failed', 'complete', 'rejected'] as const)
    say(`${task.id} ${state}`)
    return world.fail(task, state)
  }
  if (choice === 3) { say(`${node} down`); return world.setNode(node, { state: 'down' }) }
  if (choice === 4) { say(`${node} ready`); return world.setNode(node, { state: 'ready' }) }
  if (choice === 5) {
    const availability = pick(random, ['active', 'active', 'drain', 'pause'] as const)
    say(`${node} ${availability}`)
    return world.setNode(node, { availability })
  }
  if (choice === 6 && serviceMode(world.service()) === 'replicated') {
    const replicas = randomInt(random, 6)
    say(`scale ${replicas}`)
    return world.updateService(spec => make('ServiceSpec', { ...spec, replicated: { replicas } } as Draft<ServiceSpec>))
  }
  if (choice === 7) {
    const image = pick(random, ['a', 'b', 'c'])
    say(`image ${image}`)
    return world.updateService(withImage(image))
  }
  if (choice < 10) { say('step'); return world.step() }
  const byMs = randomInt(random, 8_000)
  say(`advance ${byMs}`)
  return world.advance(byMs)
}

/** Never two tasks in a slot that may run, unless a start-first update put the second there; none wanted by a service that is told otherwise. */
function checkSafety({ world, order }: History): void {
  const bySlot = new Map<string, Task[]>()
  const iteration = world.service().jobStatus?.iteration
  for (const task of world.tasks()) {
    if (!isTaskDesired(task) || isTerminal(stateOf(task)) || (iteration !== undefined && task.jobIteration !== iteration)) continue
    const key = task.slot === 0 && iteration === undefined ? task.nodeId : String(task.slot)
    bySlot.set(key, [...bySlot.get(key) ?? [], task])
  }
  for (const [slot, tasks] of bySlot) {
    assert(tasks.length <= (order === 'start-first' ? 2 : 1), `slot ${slot} has ${tasks.map(task => `${task.id} ${stateOf(task)}/${task.desiredState}`).join(', ')}`)
  }
}

/** With healthy nodes and nothing failing, the service comes to what its spec says. */
async function checkProgress({ world }: History): Promise<void> {
  for (const node of NODES) await world.setNode(node, { state: 'ready', availability: 'active' })
  await world.advance(900_000)
  const service = world.service()
  const mode = serviceMode(service)
  if (mode === 'replicated-job') {
    for (let i = 0; i < 8; i++) {
      for (const task of world.tasks()) if (stateOf(task) === 'running') await world.fail(task, 'complete')
      await world.advance(60_000)
    }
    assert.deepEqual([...new Set(world.tasks().filter(task => stateOf(task) === 'complete').map(task => task.slot))].sort(), [0, 1, 2, 3])
    return
  }
  const running = world.live().filter(task => stateOf(task) === 'running' && task.desiredState === 'running')
  const expected = mode === 'global' ? NODES.length : service.spec?.replicated?.replicas ?? 1
  assert.equal(world.live().length, running.length, 'all that is live runs')
  assert.equal(new Set(running.map(task => (mode === 'global' ? task.nodeId : task.slot))).size, expected)
  const state = service.updateStatus?.state
  if (state === 'paused' || state === 'rollback-paused') return
  assert.notEqual(state, 'updating')
  assert.notEqual(state, 'rollback-started')
  assert.equal(running.length, expected)
  for (const task of running) assert.equal(task.spec?.container?.image, service.spec?.task?.container?.image)
}

for (const mode of ['replicated', 'global', 'job'] as const) {
  test(`any history of a ${mode} service is safe, settles and comes to what its spec says`, async () => {
    for (let seed = SEED || 1; seed < (SEED ? SEED + 1 : HISTORIES + 1); seed++) {
      const history = await begin(seed, mode)
      try {
        for (let i = 0; i < EVENTS; i++) {
          await event(history)
          await history.world.settle()
          checkSafety(history)
        }
        await checkProgress(history)
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}\n${history.log.join('\n')}`, { cause: error })
      }
    }
  })
}
