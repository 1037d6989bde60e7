import assert from 'node:assert/strict'
import test from 'node:test'
import { make, type Draft } from '../../src/api/codec/codec.ts'
import type { StoreObject, Task } from '../../src/api/swarm/objects.ts'
import { createTestStore } from '../store/test-store.ts'
import type { ObjectStore, StoreWrite } from '../store/object-store.ts'
import { Allocator } from './allocator.ts'

const NOW_MS = 1_700_000_000_000
const INGRESS = { network: { id: 'ingress', spec: { annotations: { name: 'ingress' }, ingress: true } } }
const FRONT = { network: { id: 'front', spec: { annotations: { name: 'front' } } } }

test('the ingress network takes the first subnet of the pool, later networks the next ones', async () => {
  const { store } = await createTestStore({ objects: [FRONT, INGRESS] })
  await settle(store)
  assert.equal(store.view().get('network', 'ingress')?.state?.ipam?.configs[0]?.subnet, '10.0.0.0/24')
  assert.equal(store.view().get('network', 'front')?.state?.ipam?.configs[0]?.subnet, '10.0.1.0/24')
  assert.equal(store.view().get('network', 'front')?.state?.ipam?.configs[0]?.gateway, '10.0.1.1')
  assert.deepEqual([store.view().get('network', 'ingress')?.state?.vni, store.view().get('network', 'front')?.state?.vni], [4096, 4097])
})

test('a subnet the user asked for is used and is not given to another network', async () => {
  const asked = { network: { id: 'a', spec: { annotations: { name: 'a' }, ipam: { configs: [{ subnet: '10.0.0.0/23' }] } } } }
  const { store } = await createTestStore({ objects: [asked, FRONT] })
  await settle(store)
  assert.equal(store.view().get('network', 'a')?.state?.ipam?.configs[0]?.subnet, '10.0.0.0/23')
  assert.equal(store.view().get('network', 'front')?.state?.ipam?.configs[0]?.subnet, '10.0.2.0/24')
})

test('a new task gets addresses on its networks and the ingress network, and becomes pending', async () => {
  const { store } = await createTestStore({ objects: [INGRESS, FRONT, service('web', { ports: [{ targetPort: 80, publishedPort: 8080 }] }), task('t1', 'web')] })
  await settle(store)
  const web = store.view().get('service', 'web')
  assert.deepEqual(web?.endpoint?.virtualIps, [{ networkId: 'ingress', address: '10.0.0.2/24' }, { networkId: 'front', address: '10.0.1.2/24' }])
  const t1 = store.view().get('task', 't1')
  assert.equal(t1?.status?.state, 'pending')
  assert.equal(t1?.status?.message, 'pending task scheduling')
  assert.deepEqual(t1?.networks.map(network => [network.networkId, network.addresses, network.aliases]), [
    ['ingress', ['10.0.0.3/24'], []], ['front', ['10.0.1.3/24'], ['web-alias']],
  ])
  assert.deepEqual(t1?.endpoint?.ports.map(port => port.publishedPort), [8080])
})

test('with dnsrr there is no virtual IP', async () => {
  const { store } = await createTestStore({ objects: [FRONT, service('web', { mode: 'dnsrr' }), task('t1', 'web')] })
  await settle(store)
  assert.deepEqual(store.view().get('service', 'web')?.endpoint?.virtualIps, [])
  assert.equal(store.view().get('task', 't1')?.status?.state, 'pending')
})

test('a dynamic port starts at 30000, differs between services and survives an update', async () => {
  const { store } = await createTestStore({ objects: [INGRESS, FRONT, service('a', { ports: [{ targetPort: 80 }] }), service('b', { ports: [{ targetPort: 80 }] })] })
  await settle(store)
  const portOf = (id: string): number | undefined => store.view().get('service', id)?.endpoint?.ports[0]?.publishedPort
  assert.deepEqual([portOf('a'), portOf('b')], [30000, 30001])
  const b = store.view().get('service', 'b')
  const spec = b?.spec
  assert(b !== undefined && spec?.endpoint !== undefined)
  const ports = [...spec.endpoint.ports, { name: '', protocol: 'tcp', targetPort: 81, publishedPort: 9000, publishMode: 'ingress' } as const]
  await store.update(tx => tx.update('service', { ...b, spec: { ...spec, endpoint: { mode: 'vip', ports } } }))
  await settle(store)
  assert.deepEqual(store.view().get('service', 'b')?.endpoint?.ports.map(port => port.publishedPort).sort(), [30001, 9000].sort())
})

test('addresses are handed out serially: one that was freed is not used next', async () => {
  const { store } = await createTestStore({ objects: [FRONT, service('web', { mode: 'dnsrr' }), task('t1', 'web')] })
  await settle(store)
  await finish(store, 't1')
  await store.update(tx => { tx.create('task', make('Task', task('t2', 'web').task)) })
  await settle(store)
  assert.deepEqual(addressesOf(store, 't1'), ['10.0.0.2/24'])
  assert.deepEqual(addressesOf(store, 't2'), ['10.0.0.3/24'])
})

test('a full network leaves tasks new until an address is freed by a finished task', async () => {
  const tiny = { network: { id: 'front', spec: { annotations: { name: 'front' }, ipam: { configs: [{ subnet: '10.9.0.0/29' }] } } } }
  const ids = ['t1', 't2', 't3', 't4', 't5', 't6']
  const { store } = await createTestStore({ objects: [tiny, service('web', { mode: 'dnsrr' }), ...ids.map(id => task(id, 'web'))] })
  await settle(store)
  assert.deepEqual(ids.map(id => store.view().get('task', id)?.status?.state), ['pending', 'pending', 'pending', 'pending', 'pending', undefined])
  await finish(store, 't2')
  await settle(store)
  assert.deepEqual(addressesOf(store, 't6'), addressesOf(store, 't2'))
})

test('a node has an address on the ingress network always, on others while a live task is there', async () => {
  const { store } = await createTestStore({ objects: [INGRESS, FRONT, { node: { id: 'n1' } }, service('web', { mode: 'dnsrr' }), task('t1', 'web')] })
  await settle(store)
  assert.deepEqual(networksOfNode(store), ['ingress'])
  const t1 = store.view().get('task', 't1')
  assert(t1?.status !== undefined)
  await store.update(tx => tx.update('task', { ...t1, nodeId: 'n1', status: { ...(t1.status as NonNullable<Task['status']>), state: 'assigned' } }))
  await settle(store)
  assert.deepEqual(networksOfNode(store), ['ingress', 'front'])
  await finish(store, 't1')
  await settle(store)
  assert.deepEqual(networksOfNode(store), ['ingress'])
})

test('a task on the host network needs no address', async () => {
  const host = { service: { id: 'web', spec: { annotations: { name: 'web' }, replicated: {}, task: { networks: [{ target: 'host' }] } } } }
  const { store } = await createTestStore({ objects: [host, { task: { id: 't1', serviceId: 'web', desiredState: 'running', spec: { networks: [{ target: 'host' }] } } }] })
  await settle(store)
  assert.deepEqual(store.view().get('task', 't1')?.networks, [{ networkId: 'host', addresses: [], aliases: [], driverOptions: {} }])
})

test('two services that want the same port: the second is not allocated, and gets it when the first is gone', async () => {
  const { store } = await createTestStore({ objects: [INGRESS, FRONT, service('a', { ports: [{ targetPort: 80, publishedPort: 80 }] }), service('b', { ports: [{ targetPort: 80, publishedPort: 80 }] }), task('t1', 'b')] })
  await settle(store)
  assert.equal(store.view().get('service', 'b')?.endpoint, undefined)
  assert.equal(store.view().get('task', 't1')?.status, undefined)
  await store.update(tx => tx.remove('service', 'a'))
  await settle(store)
  assert.equal(store.view().get('task', 't1')?.status?.state, 'pending')
})

test('thousands of tasks are allocated in a few decisions, each address once', async () => {
  const wide = { network: { id: 'front', spec: { annotations: { name: 'front' }, ipam: { configs: [{ subnet: '10.8.0.0/16' }] } } } }
  const ids = Array.from({ length: 2000 }, (_, at) => `t${at}`)
  const { store } = await createTestStore({ objects: [wide, service('web', { mode: 'dnsrr' }), ...ids.map(id => task(id, 'web'))] })
  const decisions = await settle(store)
  assert(decisions < 10, `${decisions} decisions`)
  assert.equal(new Set(ids.flatMap(id => addressesOf(store, id))).size, ids.length)
})

function service(id: string, endpoint: { mode?: 'vip' | 'dnsrr'; ports?: readonly { targetPort: number; publishedPort?: number }[] }): Draft<StoreObject> {
  return { service: { id, spec: { annotations: { name: id }, replicated: {}, endpoint, task: { networks: [{ target: 'front', aliases: [`${id}-alias`] }] } } } }
}

function task(id: string, serviceId: string) {
  return { task: { id, serviceId, desiredState: 'running', spec: { networks: [{ target: 'front', aliases: [`${serviceId}-alias`] }] } } } as const
}

function addressesOf(store: ObjectStore, id: string): readonly string[] {
  return store.view().get('task', id)?.networks.flatMap(network => network.addresses) ?? []
}

function networksOfNode(store: ObjectStore): string[] {
  return store.view().get('node', 'n1')?.attachments.map(attachment => attachment.networkId) ?? []
}

async function finish(store: ObjectStore, id: string): Promise<void> {
  await store.update(tx => {
    const found = tx.get('task', id)
    assert(found?.status !== undefined)
    tx.update('task', { ...found, status: { ...found.status, state: 'shutdown' } })
  })
}

/** Decides and applies until nothing is left to do; returns the number of decisions that wrote. */
async function settle(store: ObjectStore): Promise<number> {
  const allocator = new Allocator()
  for (let round = 0; round < 100; round++) {
    const { writes } = allocator.decide(store.view(), 'cluster', NOW_MS)
    if (writes.length === 0) return round
    await store.update(tx => { for (const write of writes) apply(tx, write) })
  }
  throw new Error('the allocator does not settle')
}

function apply(tx: Parameters<Parameters<ObjectStore['update']>[0]>[0], write: StoreWrite): void {
  if (write.action === 'remove') tx.remove(write.kind, write.id)
  else if (write.action === 'update') tx.update(write.kind, write.object)
  else tx.create(write.kind, write.object)
}
