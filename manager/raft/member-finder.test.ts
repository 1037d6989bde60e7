import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RaftCluster, type Host } from '../../test/support/raft-cluster.ts'

const addresses = (host: Host): string => host.raft.table.members.map(({ nodeId, addr }) => `${nodeId}=${addr}`).sort().join(' ')

/** All managers of `names` are stopped, and are at other addresses when they start again. */
async function move(cluster: RaftCluster, names: readonly string[]): Promise<readonly Host[]> {
  for (const name of names) await cluster.stop(name)
  const hosts: Host[] = []
  for (const name of names) hosts.push(await cluster.boot(name, { addr: `${name}-moved:1` }))
  return hosts
}

test('all managers moved at once: when each but one is told of that one, they find each other, elect a leader and write down where they are', async () => {
  const cluster = new RaftCluster()
  const [first] = await cluster.three()
  await cluster.write(first, 'before')
  const [a, b, c] = await move(cluster, ['a', 'b', 'c']) as [Host, Host, Host]
  await cluster.clock.advance(10_000)
  assert([a, b, c].every(host => host.raft.leadership.leaderId === 0), 'nobody can know where the others are')
  for (const host of [b, c]) assert.deepEqual(await cluster.running(host.finder.meet(['a-moved:1'])), [{ addr: 'a-moved:1', nodeId: 'a', error: '' }])
  const leader = await cluster.leader()
  await cluster.until(() => [a, b, c].every(host => addresses(host) === 'a=a-moved:1 b=b-moved:1 c=c-moved:1'))
  await cluster.write(leader, 'after')
  await cluster.until(() => [a, b, c].every(host => cluster.names(host).join() === 'after,before'))
  await cluster.stopAll()
})

test('it is enough that one manager knows one new address of each other one, whoever it is', async () => {
  const cluster = new RaftCluster()
  await cluster.three()
  const [a, b, c] = await move(cluster, ['a', 'b', 'c']) as [Host, Host, Host]
  await cluster.running(b.finder.meet(['a-moved:1', 'c-moved:1']))
  await cluster.until(() => [a, b, c].every(host => addresses(host) === 'a=a-moved:1 b=b-moved:1 c=c-moved:1'))
  await cluster.stopAll()
})

test('a majority that moved is found by the one that stayed, as it is where they know it to be', async () => {
  const cluster = new RaftCluster()
  await cluster.three()
  await move(cluster, ['a', 'b'])
  const c = cluster.hosts.get('c')
  assert(c)
  await cluster.until(() => addresses(c) === 'a=a-moved:1 b=b-moved:1 c=c:1')
  await cluster.stopAll()
})

test('an address is remembered until somebody is there', async () => {
  const cluster = new RaftCluster()
  await cluster.three()
  for (const name of ['a', 'b', 'c']) await cluster.stop(name)
  const b = await cluster.boot('b', { addr: 'b-moved:1' })
  const [answer] = await cluster.running(b.finder.meet(['a-moved:1']))
  assert.notEqual(answer?.error, '')
  const a = await cluster.boot('a', { addr: 'a-moved:1' })
  await cluster.until(() => addresses(a) === 'a=a-moved:1 b=b-moved:1 c=c:1')
  await cluster.stopAll()
})

test('managers that swapped their addresses find each other', async () => {
  const cluster = new RaftCluster()
  await cluster.three()
  for (const name of ['a', 'b']) await cluster.stop(name)
  const a = await cluster.boot('a', { addr: 'b:1' })
  await cluster.boot('b', { addr: 'a:1' })
  await cluster.until(() => addresses(a) === 'a=b:1 b=a:1 c=c:1')
  await cluster.stopAll()
})

test('who asks at its own address, or where nobody is, is told so', async () => {
  const cluster = new RaftCluster()
  const [a] = await cluster.three()
  const answers = await cluster.running(a.finder.meet(['a:1', 'nowhere:1']))
  assert.match(answers[0]?.error ?? '', /this manager itself/)
  assert.notEqual(answers[1]?.error, '')
  assert.equal(addresses(a), 'a=a:1 b=b:1 c=c:1')
  await cluster.stopAll()
})
