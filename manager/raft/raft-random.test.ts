import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode, make } from '../../src/api/codec/codec.ts'
import { randomInt } from '../../src/base/random.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { RaftCluster, type Host } from '../../test/support/raft-cluster.ts'

const SEEDS = 12
const STEPS = 40
const NAMES = ['a', 'b', 'c'] as const

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`crashes, cuts and slow disks lose nothing that was acknowledged (seed ${seed})`, async () => {
    const cluster = new RaftCluster({ seed, compaction: () => ({ entries: 15, kept: 5 }) })
    const random = new SeededRandom(seed * 7919)
    await cluster.three()
    for (const disk of cluster.disks.values()) disk.faults.flushMsMax = 20
    cluster.faults.faults = { lossRate: 0.01, delayMinMs: 0, delayMaxMs: 30 }
    const acknowledged = new Set<string>()
    const states = new Map<number, string>()
    for (let step = 0; step < STEPS; step++) {
      await act(cluster, random, `s${step}`, acknowledged)
      await cluster.clock.advance(randomInt(random, 1000))
      for (const host of cluster.hosts.values()) checkSameState(states, host, seed)
    }
    cluster.faults.healAll()
    cluster.faults.faults = { lossRate: 0, delayMinMs: 0, delayMaxMs: 0 }
    for (const name of NAMES) if (!cluster.hosts.has(name)) await cluster.running(cluster.boot(name))
    const leader = await cluster.leader()
    await cluster.until(() => [...cluster.hosts.values()].every(host => host.store.appliedIndex === leader.store.appliedIndex))
    for (const host of cluster.hosts.values()) {
      checkSameState(states, host, seed)
      for (const name of acknowledged) assert.ok(host.store.view().get('service', name) !== undefined, `seed ${seed}: ${name} was acknowledged and is not on ${host.name}`)
    }
    assert.ok(acknowledged.size > 0, `seed ${seed}: nothing was acknowledged`)
    await cluster.stopAll()
  })
}

async function act(cluster: RaftCluster, random: SeededRandom, name: string, acknowledged: Set<string>): Promise<void> {
  const victim = NAMES[randomInt(random, NAMES.length)] as string
  const dice = random.next()
  if (dice < 0.03) for (const name of NAMES) cluster.crash(name)
  else if (dice < 0.12) cluster.crash(victim)
  else if (dice < 0.18) cluster.faults.partition([[victim], NAMES.filter(other => other !== victim)])
  else if (dice < 0.4) cluster.faults.healAll()
  else for (const name of NAMES) if (!cluster.hosts.has(name)) await cluster.running(cluster.boot(name))
  for (const host of cluster.hosts.values()) {
    const service = make('Service', { id: `${name}-${host.name}`, spec: { annotations: { name: `${name}-${host.name}` } } })
    // Refused and lost ones are nobody's concern; acknowledged ones must stay.
    host.store.update(tx => tx.create('service', service)).then(() => acknowledged.add(service.id), () => {})
  }
}

/** State machine safety: the same index means the same state, on whichever manager, in whichever life. */
function checkSameState(states: Map<number, string>, host: Host, seed: number): void {
  const view = host.store.view()
  const text = view.list('service').map(service => `${service.id}@${service.meta?.version}:${Buffer.from(encode('Service', service)).toString('base64')}`).join('\n')
  const known = states.get(view.version)
  states.set(view.version, known ?? text)
  assert.equal(text, known ?? text, `seed ${seed}: ${host.name} differs at index ${view.version}`)
}
