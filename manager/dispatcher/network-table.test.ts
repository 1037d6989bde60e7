import assert from 'node:assert/strict'
import test from 'node:test'
import { createTestStore } from '../store/test-store.ts'
import { networkBody } from './network-table.ts'

test('hosts are told of ingress ports, and of UDP ports in host mode that share a target with one: clients are hidden there', async () => {
  const ports = [
    { protocol: 'tcp', targetPort: 80, publishedPort: 8080, publishMode: 'ingress' }, { protocol: 'tcp', targetPort: 80, publishedPort: 8081, publishMode: 'host' },
    { protocol: 'udp', targetPort: 53, publishedPort: 5353, publishMode: 'ingress' }, { protocol: 'udp', targetPort: 53, publishedPort: 0, publishMode: 'host' },
    { protocol: 'udp', targetPort: 54, publishedPort: 54, publishMode: 'host' },
  ] as const
  const { store } = await createTestStore({ objects: [
    { network: { id: 'ing', spec: { annotations: { name: 'ingress' }, ingress: true } } },
    { service: { id: 's', spec: { annotations: { name: 'dns' } }, endpoint: { ports, virtualIps: [{ networkId: 'ing', address: '10.0.0.5/24' }] } } },
  ] })
  const network = store.view().get('network', 'ing')
  assert.ok(network !== undefined)
  const [service] = networkBody(store.view(), network, []).services
  assert.deepEqual(service?.ports.map(port => `${port.protocol}/${port.targetPort} ${port.publishMode}`), ['tcp/80 ingress', 'udp/53 ingress', 'udp/53 host'])
})
