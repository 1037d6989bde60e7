import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OverlayPort, OverlayTable } from '../../../src/api/engine/overlay.ts'
import { changeReplyRoutes, changeReplyRules, replyPaths, replyRules } from './reply-paths.ts'

const table = (hosts: readonly string[], ports: readonly OverlayPort[] = []): OverlayTable => ({
  networkId: 'n', revision: 1, name: 'ingress', vni: 4096, subnet: '10.0.0.0/24', gateway: '10.0.0.1', mtu: 0, internal: false, ingress: true, attachable: false, encrypted: false,
  vxlanPort: 4789, nodeAddress: '10.0.0.2/24', nodes: hosts.map(address => ({ nodeId: address, address, dataAddress: '9.9.9.9' })), labels: {}, options: {},
  endpoints: [{ taskId: 't', serviceId: 's', address: '10.0.0.7', nodeId: 'a', dataAddress: '', names: [], ready: true }],
  services: [
    { serviceId: 's', name: 's', virtualIp: '', names: [], backends: [], ports },
    { serviceId: 'other', name: 'other', virtualIp: '', names: [], backends: [], ports: [{ protocol: 'udp', targetPort: 99, publishedPort: 99 }] },
  ],
})
const endpoint = { link: 'eth0', address: '10.0.0.7' }

test('every host has a mark and a table of its own, which depend on nothing but its address', () => {
  const paths = replyPaths(table(['10.0.0.9', '10.0.0.3/24']), endpoint)
  assert.deepEqual(paths.hosts, ['10.0.0.2', '10.0.0.3', '10.0.0.9'])
  const marks = changeReplyRoutes(undefined, paths).flatMap(operation => (operation.kind === 'add-rule' ? [operation.mark] : []))
  assert.deepEqual(marks, [0x53480003, 0x53480004, 0x5348000a])
  assert.match(replyRules(paths, false), /add element ip shoal_mesh zones \{ 02:42:0a:00:00:02 : 3, 02:42:0a:00:00:03 : 4, 02:42:0a:00:00:09 : 10 \}/)
})

test('UDP replies have rules for the ports of the own service that clients may be seen at', () => {
  const ports = [{ protocol: 'udp', targetPort: 53, publishedPort: 5353 }, { protocol: 'tcp', targetPort: 80, publishedPort: 80 }, { protocol: 'udp', targetPort: 54, publishedPort: 54 }, { protocol: 'udp', targetPort: 54, publishedPort: 55, publishMode: 'host' }] as const
  assert.deepEqual(replyPaths(table([], ports), endpoint).udpPorts, [53])
  const operations = changeReplyRoutes(undefined, replyPaths(table([], ports), endpoint))
  const priorities = operations.flatMap(operation => (operation.kind === 'add-rule' ? [operation.priority] : []))
  assert.deepEqual(priorities, [...priorities].sort((a, b) => a - b), 'marked replies first, then near peers, then ports')
})

test('going from any state to any other leaves exactly the other', () => {
  const udp = [{ protocol: 'udp', targetPort: 53, publishedPort: 53 }] as const
  const states = [table([]), table(['10.0.0.3']), table(['10.0.0.3', '10.0.0.4'], udp), table(['10.0.0.4'], udp)].map(each => replyPaths(each, endpoint))
  const stateOf = (operations: ReturnType<typeof changeReplyRoutes>, from: Iterable<string> = []): string[] => {
    const state = new Set(from)
    for (const operation of operations) {
      const key = JSON.stringify({ ...operation, kind: operation.kind.replace(/^.*-/, '') })
      if (operation.kind.startsWith('delete-')) state.delete(key)
      else state.add(key)
    }
    return [...state].sort()
  }
  for (const from of states) {
    for (const to of states) assert.deepEqual(stateOf(changeReplyRoutes(from, to), stateOf(changeReplyRoutes(undefined, from))), stateOf(changeReplyRoutes(undefined, to)))
    assert.deepEqual([changeReplyRoutes(from, from), changeReplyRules(from, from), stateOf(changeReplyRoutes(from, undefined), stateOf(changeReplyRoutes(undefined, from)))], [[], '', []])
  }
})
