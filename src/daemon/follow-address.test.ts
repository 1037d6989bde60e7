import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { followAddress, withAdvertise } from './follow-address.ts'
import type { SwarmState } from './swarm-state.ts'

const v4 = (address: string): NetworkInterfaceInfo => ({ address, family: 'IPv4', netmask: '255.255.255.0', mac: '', internal: false, cidr: null })
const v6 = (address: string): NetworkInterfaceInfo => ({ address, family: 'IPv6', netmask: '', mac: '', internal: false, cidr: null, scopeid: 0 })
const STATE: SwarmState = {
  nodeId: 'n1', clusterId: 'c', role: 'manager', listenAddress: '0.0.0.0:2377', advertiseAddress: '10.0.0.1:2377', dataAddress: '10.0.0.1', availability: 'active',
  managers: [{ nodeId: 'n1', addr: '10.0.0.1:2377' }, { nodeId: 'n2', addr: '10.0.0.2:2377' }],
}
const KNOWN: SwarmState = { ...STATE, advertiseInterface: 'eth0' }

test('it is noted on which interface the advertised address is', () => {
  assert.deepEqual(followAddress(STATE, { eth0: [v4('10.0.0.1')] }), KNOWN)
  assert.equal(followAddress(KNOWN, { eth0: [v4('10.0.0.1'), v4('10.0.0.9')] }), KNOWN)
})

test('an address that is gone is replaced by the one that took its place, wherever it stands for this host', () => {
  const moved = followAddress({ ...KNOWN, listenAddress: '10.0.0.1:2377' }, { lo: [v4('127.0.0.1')], eth0: [v4('10.0.0.7'), v6('fe80::1')], eth1: [v4('192.168.0.1')] })
  assert.deepEqual(moved, {
    ...KNOWN, advertiseAddress: '10.0.0.7:2377', listenAddress: '10.0.0.7:2377', dataAddress: '10.0.0.7',
    managers: [{ nodeId: 'n1', addr: '10.0.0.7:2377' }, { nodeId: 'n2', addr: '10.0.0.2:2377' }],
  })
})

test('an address that was never here stays, and so does one whose successor is not clear', () => {
  assert.equal(followAddress(STATE, { eth0: [v4('10.0.0.7')] }), STATE)
  for (const interfaces of [{}, { eth0: [] }, { eth0: [v4('169.254.1.1')] }, { eth0: [v6('2001:db8::1')] }, { eth0: [v4('10.0.0.7'), v4('10.0.0.8')] }, { eth1: [v4('10.0.0.7')] }]) assert.equal(followAddress(KNOWN, interfaces), KNOWN)
})

test('IPv6 addresses are followed too, and other data paths are left alone', () => {
  const state: SwarmState = { ...KNOWN, advertiseAddress: '[2001:db8::1]:2377', listenAddress: '[::]:2377', dataAddress: '10.1.0.1', managers: [] }
  assert.deepEqual(followAddress(state, { eth0: [v6('fe80::1'), v6('2001:db8::7'), v4('10.0.0.1')] }), { ...state, advertiseAddress: '[2001:db8::7]:2377' })
  assert.equal(withAdvertise(KNOWN, '[2001:db8::7]:4000').dataAddress, '2001:db8::7')
})
