import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSwarmState } from './swarm-state.ts'

const STATE = { nodeId: 'n', clusterId: 'c', role: 'worker', listenAddress: 'l', advertiseAddress: 'a', dataAddress: 'd', availability: 'active', managers: [{ nodeId: 'm', addr: '10.0.0.1:2377' }] }

test('what is no membership is not taken for one', () => {
  assert(isSwarmState(STATE))
  for (const value of [undefined, null, 5, [], {}, { ...STATE, nodeId: 5 }, { ...STATE, role: 'king' }, { ...STATE, managers: 5 }, { ...STATE, managers: [null] }, { ...STATE, managers: [{ nodeId: 'm' }] }]) {
    assert.equal(isSwarmState(value), false, JSON.stringify(value))
  }
})
