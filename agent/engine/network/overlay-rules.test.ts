import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OverlayService, OverlayTable } from '../../../src/api/engine/overlay.ts'
import { changeLinks, overlayLinks } from './overlay-links.ts'
import { changeRules, removedBackends, sandboxTable } from './overlay-rules.ts'

const table = (overrides: Partial<OverlayTable> = {}): OverlayTable => ({
  networkId: 'n', revision: 1, name: 'n', vni: 4096, subnet: '10.0.1.0/24', gateway: '10.0.1.1', mtu: 0, internal: false, ingress: false, attachable: false, encrypted: false,
  vxlanPort: 4789, nodeAddress: '10.0.1.250/24', endpoints: [], nodes: [], services: [], labels: {}, options: {}, ...overrides,
})
const service = (backends: readonly string[], overrides: Partial<OverlayService> = {}): OverlayService =>
  ({ serviceId: 's', name: 's', virtualIp: '10.0.1.2', names: ['s'], backends, ports: [], ...overrides })

test('the same table again changes nothing', () => {
  const one = table({ services: [service(['10.0.1.3', '10.0.1.4'])], endpoints: [{ taskId: 't', serviceId: 's', address: '10.0.1.3', nodeId: 'b', dataAddress: '9.9.9.9', names: [], ready: true }] })
  assert.equal(changeRules(one, { ...one, revision: 2 }), '')
  const links = overlayLinks(one, new Set())
  assert.deepEqual(changeLinks(links, overlayLinks({ ...one, revision: 2 }, new Set())), [])
})

test('a change of backends rewrites that one chain only', () => {
  const other = service(['10.0.1.9'], { virtualIp: '10.0.1.8' })
  const commands = changeRules(table({ services: [service(['10.0.1.3', '10.0.1.4']), other] }), table({ services: [service(['10.0.1.4']), other] }))
  assert.deepEqual(commands.trim().split('\n'), [
    'flush chain ip shoal vip_10_0_1_2', 'add rule ip shoal vip_10_0_1_2 dnat to 10.0.1.4', 'delete element ip shoal self { 10.0.1.3 . 10.0.1.3 }',
  ])
})

test('a service that loses its last backend keeps its virtual IP known, so that callers are refused at once', () => {
  const commands = changeRules(table({ services: [service(['10.0.1.3'])] }), table({ services: [service([])] }))
  assert.match(commands, /delete element ip shoal vips \{ 10\.0\.1\.2 \}\nflush chain ip shoal vip_10_0_1_2\ndelete chain ip shoal vip_10_0_1_2/)
  assert.doesNotMatch(commands, /known_vips/)
})

test('published ports are balanced on the ingress network alone', () => {
  const services = [service(['10.0.1.3', '10.0.1.4'], { ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }] })]
  assert.doesNotMatch(sandboxTable(table({ services })), /port_tcp_8080/)
  assert.match(sandboxTable(table({ services, ingress: true })), /add rule ip shoal port_tcp_8080 meta l4proto tcp dnat to numgen inc mod 2 map \{ 0 : 10\.0\.1\.3, 1 : 10\.0\.1\.4 \} : 80\n/)
})

test('backends that still serve another service are not removed ones', () => {
  const from = table({ services: [service(['10.0.1.3', '10.0.1.4'])] })
  assert.deepEqual([...removedBackends(from, table({ services: [service([]), service(['10.0.1.4'], { virtualIp: '' })] }))], ['10.0.1.3'])
})

test('what is on this host is not sent through the tunnel, what moves goes the new way', () => {
  const at = (dataAddress: string): OverlayTable => table({ endpoints: [{ taskId: 't', serviceId: 's', address: '10.0.1.3', nodeId: 'b', dataAddress, names: [], ready: true }], nodes: [{ nodeId: 'a', address: '10.0.1.250', dataAddress: '1.1.1.1' }] })
  const host = new Set(['1.1.1.1'])
  assert.equal(overlayLinks(at('1.1.1.1'), host).remotes.size, 0)
  const operations = changeLinks(overlayLinks(at('2.2.2.2'), host), overlayLinks(at('3.3.3.3'), host))
  assert.deepEqual(operations.map(operation => [operation.kind, 'host' in operation ? operation.host : undefined]), [
    ['delete-forwarding', '2.2.2.2'], ['add-forwarding', '3.3.3.3'], ['add-forwarding', undefined], ['add-neighbour', undefined],
  ])
})

test('applying any two tables after each other leaves exactly the second (links and rules as sets)', () => {
  const ips = ['10.0.1.3', '10.0.1.4', '10.0.1.5']
  const tables = Array.from({ length: 8 }, (_, bits) => {
    const some = ips.filter((_ip, at) => (bits & (1 << at)) !== 0)
    return table({ services: [service(some)], endpoints: some.map(address => ({ taskId: address, serviceId: 's', address, nodeId: 'b', dataAddress: bits % 2 === 0 ? '2.2.2.2' : '3.3.3.3', names: [], ready: true })) })
  })
  for (const from of tables) {
    for (const to of tables) {
      const state = new Map(overlayLinks(from, new Set()).remotes)
      for (const operation of changeLinks(overlayLinks(from, new Set()), overlayLinks(to, new Set()))) {
        if (operation.kind === 'delete-neighbour') state.delete(operation.ip)
        if (operation.kind === 'add-neighbour') state.set(operation.ip, '')
      }
      assert.deepEqual([...state.keys()].sort(), [...overlayLinks(to, new Set()).remotes.keys()].sort())
    }
  }
})
