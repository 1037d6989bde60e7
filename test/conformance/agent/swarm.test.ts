import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOGS_RPC } from '../../../src/api/codec/methods.ts'
import { isTaskLive } from '../../../src/api/swarm/task-state.ts'
import { streamOf } from '../../../src/base/rpc.ts'
import { MemorySwarm } from '../../support/memory-swarm.ts'

const SPEC = { annotations: { name: 'web' }, replicated: { replicas: 3 }, task: { container: { image: 'img' } } } as const

test('a service is spread over the agents, scaled and removed', { timeout: 60_000 }, async () => {
  await using swarm = await MemorySwarm.start({ managers: 1, workers: 3 })
  const id = await swarm.during(() => swarm.createService({ ...SPEC, endpoint: { ports: [{ targetPort: 80, publishedPort: 8080 }] } }))
  await swarm.until('one runs on each', () => swarm.placement().join() === 'w1,w2,w3')
  await swarm.during(() => swarm.scale(id, 5))
  await swarm.until('five run', () => swarm.placement().length === 5)
  await swarm.during(() => swarm.removeService(id))
  await swarm.until('none is left, nor its container', () => [...swarm.nodes.values()].every(node => node.processes.processes.size === 0))
})

test('a task that fails is replaced; a job runs to its end', { timeout: 60_000 }, async () => {
  await using swarm = await MemorySwarm.start({ managers: 1, workers: 1 })
  swarm.script = task => task.serviceAnnotations?.name === 'job' ? { runMs: 1_000 } : {}
  await swarm.during(() => swarm.createService({ ...SPEC, replicated: { replicas: 1 } }))
  await swarm.until('it runs', () => swarm.placement().length === 1)
  const [first = ''] = swarm.node('w1').processes.running()
  swarm.node('w1').processes.exit(first, 1)
  await swarm.until('another one runs', () => swarm.placement().length === 1 && !swarm.node('w1').processes.running().includes(first))
  assert.equal((await swarm.during(() => swarm.tasks())).find(task => task.id === first)?.status?.err, 'task: non-zero exit (1)')
  await swarm.during(() => swarm.createService({ annotations: { name: 'job' }, replicatedJob: { maxConcurrent: 2, totalCompletions: 4 }, task: { container: { image: 'img' } } }))
  await swarm.until('four completed', async () => (await swarm.tasks()).filter(task => task.status?.state === 'complete').length === 4)
})

test('when the leader dies the agents find the new one, and nothing that runs is touched', { timeout: 60_000 }, async () => {
  await using swarm = await MemorySwarm.start({ managers: 3, workers: 2 })
  const id = await swarm.during(() => swarm.createService(SPEC))
  await swarm.until('three run', () => swarm.placement().length === 3)
  const before = [...swarm.nodes.values()].flatMap(node => node.processes.running())
  const leader = swarm.leader() ?? ''
  await swarm.during(() => swarm.killManager(leader))
  await swarm.until('there is a new leader with both agents', async () => swarm.leader() !== undefined && (await swarm.listNodes()).filter(node => node.status?.state === 'ready').length >= 2)
  assert.deepEqual([...swarm.nodes.values()].flatMap(node => node.processes.running()), before)
  await swarm.until('the service can be scaled', async () => { await swarm.scale(id, 4); return true })
  await swarm.until('four run', () => swarm.placement().length === 4)
})

test('a partitioned node keeps its tasks, the cluster replaces them, and healed it stops the old ones', { timeout: 60_000 }, async () => {
  await using swarm = await MemorySwarm.start({ managers: 1, workers: 2 })
  await swarm.during(() => swarm.createService({ ...SPEC, replicated: { replicas: 2 } }))
  await swarm.until('one runs on each', () => swarm.placement().join() === 'w1,w2')
  swarm.faults.cut('w2', 'm1')
  await swarm.until('w2 is down and its task replaced', () => swarm.placement().join() === 'w1,w1,w2')
  swarm.faults.heal('w2', 'm1')
  await swarm.until('the old one is stopped', () => swarm.placement().join() === 'w1,w1')
})

test('a restarted agent goes on with its tasks; after a power cut they are replaced', { timeout: 60_000 }, async () => {
  await using swarm = await MemorySwarm.start({ managers: 1, workers: 1 })
  await swarm.during(() => swarm.createService({ ...SPEC, replicated: { replicas: 2 } }))
  await swarm.until('two run', () => swarm.placement().length === 2)
  const before = swarm.node('w1').processes.running()
  await swarm.during(() => swarm.restartAgent('w1'))
  await swarm.clock.advance(20_000)
  assert.deepEqual(swarm.node('w1').processes.running(), before)
  swarm.node('w1').processes.crash()
  await swarm.during(() => swarm.restartAgent('w1'))
  await swarm.until('two others run', () => swarm.placement().length === 2)
  assert.equal((await swarm.during(() => swarm.tasks())).filter(isTaskLive).length, 2)
})

test('service logs come from every node that runs a task', { timeout: 60_000 }, async () => {
  await using swarm = await MemorySwarm.start({ managers: 1, workers: 2 })
  const id = await swarm.during(() => swarm.createService({ ...SPEC, replicated: { replicas: 2 } }))
  await swarm.until('both run and are known to', async () => (await swarm.tasks()).filter(task => task.status?.state === 'running').length === 2)
  const texts = await swarm.during(async () => {
    const found: string[] = []
    const request = { selector: { serviceIds: [id], nodeIds: [], taskIds: [] }, options: { streams: ['stdout' as const], follow: false, sinceMs: 0 } }
    for await (const { messages, warning } of swarm.local().stream(LOGS_RPC.subscribe, streamOf(request))) {
      assert.equal(warning, '')
      found.push(...messages.map(message => new TextDecoder().decode(message.data)))
    }
    return found
  })
  const running = [...swarm.nodes.values()].flatMap(node => node.processes.running())
  assert.deepEqual(texts.sort(), running.map(taskId => `log of ${taskId}\n`).sort())
})

test('with slow and lossy links a service still comes up and goes away', { timeout: 120_000 }, async () => {
  await using swarm = await MemorySwarm.start({ managers: 3, workers: 3, seed: 5 })
  swarm.faults.faults = { lossRate: 0.005, delayMinMs: 1, delayMaxMs: 30 }
  let id = ''
  await swarm.until('the service is created', async () => { id = await swarm.createService({ ...SPEC, replicated: { replicas: 6 } }); return true })
  await swarm.until('six run', () => swarm.placement().length === 6)
  await swarm.until('it is removed', async () => { await swarm.removeService(id); return true })
  await swarm.until('nothing runs', () => swarm.placement().length === 0)
})
