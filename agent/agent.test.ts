import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make, type Draft } from '../src/api/codec/codec.ts'
import type { AssignmentChange } from '../src/api/swarm/dispatcher.ts'
import type { Task, TaskState } from '../src/api/swarm/objects.ts'
import { FakeClock } from '../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../src/platform/log/memory-logger.ts'
import { MemoryNetwork } from '../src/platform/rpc/memory-rpc.ts'
import { MemoryStore } from '../src/platform/storage/memory-store.ts'
import { FakeManager } from '../test/support/fake-manager.ts'
import { Agent, type AgentEvents } from './agent.ts'
import { ScriptedExecutor, ScriptedWorld, type TaskScript } from './exec/scripted-executor.ts'

class World {
  readonly clock = new FakeClock()
  readonly network = new MemoryNetwork({ clock: this.clock })
  readonly manager = new FakeManager()
  readonly kv = new MemoryStore()
  readonly processes = new ScriptedWorld()
  readonly logger = new MemoryLogger()
  script: (task: Task) => TaskScript = () => ({})
  server = this.network.createServer()

  async listen(address = 'm1:2377'): Promise<void> {
    this.manager.serve(this.server)
    await this.server.listen(address)
  }

  agent(events: AgentEvents = {}, managers: readonly string[] = ['m1:2377']): Agent {
    const { clock, kv } = this
    const executor = new ScriptedExecutor({ clock, world: this.processes, script: task => this.script(task) })
    return new Agent({
      clock, kv, executor, managers, events, nodeId: 'n1', random: new SeededRandom(1), logger: this.logger,
      dialer: this.network.createDialer({ identity: { nodeId: 'n1', role: 'worker', clusterId: 'c1' } }),
    })
  }

  async complete(...changes: readonly AssignmentChange[]): Promise<void> {
    await this.manager.assignments.put({ type: 'complete', appliesTo: '', resultsIn: '1', changes })
    await this.clock.advance(0)
  }

  async incremental(from: number, ...changes: readonly AssignmentChange[]): Promise<void> {
    await this.manager.assignments.put({ type: 'incremental', appliesTo: String(from), resultsIn: String(from + 1), changes })
    await this.clock.advance(0)
  }
}

function task(id: string, desiredState: TaskState = 'running', more: Draft<Task> = {}): AssignmentChange {
  const task = make('Task', { id, nodeId: 'n1', serviceId: 'svc', annotations: { name: `web.1.${id}` }, status: { state: 'assigned' }, desiredState, spec: { container: { image: 'x' } }, ...more })
  return { action: 'update', assignment: { task } }
}

async function started(world: World, events?: AgentEvents): Promise<Agent> {
  await world.listen()
  const agent = world.agent(events)
  await agent.start()
  await world.clock.advance(1_000)
  return agent
}

const TO_RUNNING = ['accepted: accepted', 'preparing: preparing', 'ready: prepared', 'starting: starting', 'running: started']

test('an assigned task is run and reported step by step', async () => {
  const world = new World()
  await using agent = await started(world)
  assert.equal(agent.state.isConnected, true)
  await world.complete(task('t1'))
  assert.deepEqual(world.manager.reported('t1').slice(-1), TO_RUNNING.slice(-1))
  assert.deepEqual(world.processes.running(), ['t1'])
  assert.equal(world.manager.reports.at(-1)?.status.container?.containerId, 'container-t1')
})

test('a task that should only be ready waits, then starts', async () => {
  const world = new World()
  await using _ = await started(world)
  await world.complete(task('t1', 'ready'))
  assert.deepEqual(world.processes.running(), [])
  await world.incremental(1, task('t1', 'running'))
  assert.deepEqual(world.processes.running(), ['t1'])
  await world.incremental(2, task('t1', 'ready'))
  assert.deepEqual(world.processes.running(), ['t1'], 'a lower desire is ignored')
})

test('a task that should stop is stopped, also while it is still preparing', async () => {
  const world = new World()
  world.script = ({ id }) => id === 'slow' ? { prepareMs: 60_000 } : {}
  await using _ = await started(world)
  await world.complete(task('t1'), task('slow'))
  await world.incremental(1, task('t1', 'shutdown'), task('slow', 'shutdown'))
  assert.deepEqual(world.processes.running(), [])
  assert.equal(world.manager.reported('t1').at(-1), 'shutdown: shutdown')
  assert.equal(world.manager.reported('slow').at(-1), 'shutdown: shutdown')
})

test('exit codes: 0 completes, others fail, failing before the start rejects', async () => {
  const world = new World()
  world.script = ({ id }) => ({
    good: { runMs: 500 }, bad: { runMs: 500, exitCode: 3 }, never: { prepareError: 'No such image: x' }, unstartable: { startError: 'cannot run' },
  } as Record<string, TaskScript>)[id] ?? {}
  await using _ = await started(world)
  await world.complete(task('good'), task('bad'), task('never'), task('unstartable'))
  await world.clock.advance(1_000)
  assert.equal(world.manager.reported('good').at(-1), 'complete: finished')
  assert.equal(world.manager.reported('bad').at(-1), 'failed: task: non-zero exit (3)')
  assert.equal(world.manager.reported('never').at(-1), 'rejected: No such image: x')
  assert.equal(world.manager.reported('unstartable').at(-1), 'failed: cannot run')
})

test('a complete set stops and removes what it does not list; a removal too', async () => {
  const world = new World()
  await using agent = await started(world)
  await world.complete(task('t1'), task('t2'), task('t3'))
  await world.incremental(1, { action: 'remove', assignment: { task: make('Task', { id: 't1' }) } })
  assert.deepEqual([...world.processes.processes.keys()], ['t2', 't3'])
  agent.reconnect()
  await world.clock.advance(2_000)
  await world.complete(task('t3'))
  assert.deepEqual([...world.processes.processes.keys()], ['t3'])
})

test('a task waits for its secret and its network', async () => {
  const world = new World()
  await using _ = await started(world)
  const needy = task('t1', 'running', { spec: { container: { image: 'x', secrets: [{ secretId: 's1', secretName: 'pw' }] } }, networks: [{ networkId: 'net1' }] })
  await world.complete(needy)
  await world.clock.advance(3_000)
  assert.equal(world.manager.reported('t1').at(-1), 'preparing: preparing')
  await world.incremental(1, { action: 'update', assignment: { secret: make('Secret', { id: 's1' }) } }, { action: 'update', assignment: { network: make('NetworkTable', { networkId: 'net1', revision: 9 }) } })
  await world.clock.advance(1_000)
  assert.equal(world.manager.reported('t1').at(-1), 'running: started')
  await world.clock.advance(5_000)
  assert.deepEqual(world.manager.beats.at(-1)?.appliedNetworks, [{ networkId: 'net1', revision: 9 }])
})

test('a restarted agent finds its tasks running and goes on, before any manager is there', async () => {
  const world = new World()
  {
    await using _ = await started(world)
    await world.complete(task('t1'), task('t2'))
  }
  assert.deepEqual(world.processes.running(), ['t1', 't2'], 'stopping the agent stops nothing')
  await world.server[Symbol.asyncDispose]()
  await using _ = world.agent()
  await _.start()
  world.processes.exit('t2', 1)
  await world.clock.advance(1_000)
  world.server = world.network.createServer()
  await world.listen()
  world.manager.reports.length = 0
  await world.clock.advance(10_000)
  assert.deepEqual(world.manager.reported('t1'), ['running: started'], 'told again to a manager that may not know')
  assert.deepEqual(world.manager.reported('t2'), ['failed: task: non-zero exit (1)'])
})

test('statuses are kept until a manager acknowledges them', async () => {
  const world = new World()
  await using _ = await started(world)
  world.manager.failReports = true
  await world.complete(task('t1'))
  await world.clock.advance(3_000)
  assert.deepEqual(world.manager.reports, [])
  world.manager.failReports = false
  await world.clock.advance(1_000)
  assert.deepEqual(world.manager.reported('t1'), ['running: started'])
})

test('a gap in the sequence asks for everything again', async () => {
  const world = new World()
  await using _ = await started(world)
  await world.complete(task('t1'))
  await world.incremental(7, task('t2'))
  await world.clock.advance(1_000)
  assert.equal(world.manager.assignmentStreams, 2)
  assert.deepEqual(world.processes.running(), ['t1'])
  await world.complete(task('t1'), task('t2'))
  assert.deepEqual(world.processes.running(), ['t1', 't2'])
  assert.equal(world.manager.registrations.length, 1, 'the session goes on')
})

test('sent away by a manager, the agent finds another one of the list it was given, and remembers it', async () => {
  const world = new World()
  world.manager.greeting = () => ({ managers: [{ nodeId: 'b', addr: 'm2:2377', weight: 1 }] })
  const other = new FakeManager()
  const server = world.network.createServer()
  other.serve(server)
  await server.listen('m2:2377')
  {
    await using agent = await started(world)
    await world.manager.session.put(make('SessionMessage', { disconnect: true }))
    await world.clock.advance(2_000)
    assert.equal(agent.state.managerAddress, 'm2:2377')
    assert.equal(agent.state.isConnected, true)
    assert.equal(other.registrations[0]?.sessionId, 's1')
  }
  await using again = world.agent({}, [])
  await again.start()
  await world.clock.advance(2_000)
  assert.equal(again.state.managerAddress, 'm2:2377')
})

test('role, root CA and managers reach the composition root', async () => {
  const world = new World()
  const heard: string[] = []
  world.manager.greeting = () => ({
    node: make('Node', { id: 'n1', role: 'worker' }), rootCaCertPem: new TextEncoder().encode('ROOT'), managers: [{ nodeId: 'a', addr: 'm1:2377', weight: 1 }],
  })
  await using _ = await started(world, {
    onNode: node => { heard.push(`role ${node.role}`) }, onRootCa: pem => { heard.push(`root ${pem}`) }, onManagers: peers => { heard.push(`managers ${peers.map(peer => peer.addr).join()}`) },
  })
  await world.manager.session.put(make('SessionMessage', { node: { id: 'n1', role: 'manager' } }))
  await world.clock.advance(0)
  assert.deepEqual(heard, ['managers m1:2377', 'root ROOT', 'role worker', 'role manager'])
})

test('log subscriptions are answered: what is selected and runs, then done', async () => {
  const world = new World()
  world.script = ({ id }) => id === 'slow' ? { prepareMs: 60_000 } : {}
  await using _ = await started(world)
  await world.complete(task('t1'), task('t2'), task('slow'), task('other', 'running', { serviceId: 'else' }))
  await world.manager.subscriptions.put({ id: 'sub1', selector: { serviceIds: ['svc'], nodeIds: [], taskIds: [] }, close: false })
  await world.clock.advance(0)
  const texts = world.manager.published.flatMap(message => message.messages).map(message => `${message.context?.taskId} ${new TextDecoder().decode(message.data)}`)
  assert.deepEqual(texts.sort(), ['t1 log of t1\n', 't2 log of t2\n'])
  assert.equal(world.manager.published.at(-1)?.done, true)
})

test('a following subscription picks up new tasks and ends when it is closed', async () => {
  const world = new World()
  await using _ = await started(world)
  const options = { streams: [], follow: true, sinceMs: 0 }
  await world.manager.subscriptions.put({ id: 'sub1', selector: { serviceIds: ['svc'], nodeIds: [], taskIds: [] }, options, close: false })
  await world.complete(task('t1'))
  await world.incremental(1, task('t2'))
  assert.deepEqual(world.manager.published.flatMap(message => message.messages).map(message => message.context?.taskId), ['t1', 't2'])
  assert.equal(world.manager.published.some(message => message.done), false)
  await world.manager.subscriptions.put({ id: 'sub1', close: true })
  await world.clock.advance(0)
  await world.incremental(2, task('t3'))
  assert.equal(world.manager.published.flatMap(message => message.messages).length, 2)
})

test('leaving removes every task', async () => {
  const world = new World()
  await using agent = await started(world)
  await world.complete(task('t1'), task('t2'))
  await agent.removeTasks()
  assert.equal(world.processes.processes.size, 0)
})
