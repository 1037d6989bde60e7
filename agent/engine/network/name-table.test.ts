import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import { findAddresses, findName, overlayNames } from './name-table.ts'

const table = overlayNames({
  networkId: 'n', revision: 1, name: 'Back', vni: 1, subnet: '', gateway: '', mtu: 0, internal: false, ingress: false, attachable: false, encrypted: false, vxlanPort: 0, nodeAddress: '',
  nodes: [], labels: {}, options: {},
  endpoints: [
    { taskId: 'a', serviceId: 's', address: '10.0.0.3', nodeId: '', dataAddress: '', names: ['St_Web.1.a', 'abcdef012345'], ready: true },
    { taskId: 'b', serviceId: 's', address: '10.0.0.4', nodeId: '', dataAddress: '', names: ['st_web.2.b'], ready: false },
  ],
  services: [
    { serviceId: 's', name: 'st_web', virtualIp: '10.0.0.2', names: ['st_web', 'web'], backends: ['10.0.0.3', '10.0.0.5'], ports: [] },
    { serviceId: 'r', name: 'rr', virtualIp: '', names: ['rr'], backends: ['10.0.0.3', '10.0.0.5'], ports: [] },
    { serviceId: 'e', name: 'empty', virtualIp: '', names: ['empty'], backends: [], ports: [] },
  ],
} satisfies OverlayTable, [])

test('a service has its virtual IP, its tasks their own, aliases alike', () => {
  assert.deepEqual(findAddresses([table], 'st_web'), ['10.0.0.2'])
  assert.deepEqual(findAddresses([table], 'web'), ['10.0.0.2'])
  assert.deepEqual(findAddresses([table], 'tasks.web'), ['10.0.0.3', '10.0.0.5'])
  assert.deepEqual(findAddresses([table], 'rr'), ['10.0.0.3', '10.0.0.5'])
  assert.deepEqual(findAddresses([table], 'st_web.1.a'), ['10.0.0.3'])
  assert.deepEqual(findAddresses([table], 'web.back'), ['10.0.0.2'])
})

test('who is not ready is known but not answered; strangers are unknown', () => {
  assert.deepEqual(findAddresses([table], 'st_web.2.b'), [])
  assert.deepEqual(findAddresses([table], 'empty'), [])
  assert.equal(findAddresses([table], 'example.org'), undefined)
})

test('addresses have names', () => {
  assert.equal(findName([table], '10.0.0.3'), 'St_Web.1.a.Back')
  assert.equal(findName([table], '10.0.0.2'), 'st_web.Back')
  assert.equal(findName([table], '10.0.0.99'), undefined)
})
