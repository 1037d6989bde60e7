import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { EventMessage } from '../../../src/api/engine/engine-json.ts'
import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import { FakeClock } from '../../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import { FakeNetworkKernel } from '../../kernel/fake-network-kernel.ts'
import type { NetworkedContainer } from './container-networks.ts'
import { createLocalNetworks } from './create-local-networks.ts'
import type { LocalNetworks } from './local-networks.ts'

let folder: string
let kernel: FakeNetworkKernel
let events: EventMessage[]
/** Ids of a daemon's second life must differ from those of its first. */
let seed = 1

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'networks-'))
  kernel = new FakeNetworkKernel()
  events = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const start = (more: { readonly bip?: string } = {}): Promise<LocalNetworks> => createLocalNetworks({
  kernel, execRoot: join(folder, 'run'), dataRoot: join(folder, 'data'), clock: new FakeClock(), random: new SeededRandom(seed++), logger: new MemoryLogger(),
  containers: () => { throw new Error('not asked') }, onEvent: event => { events.push(event) }, dnsUpstreams: [], ...more,
})
const container = (name: string, overrides: Partial<NetworkedContainer> = {}): NetworkedContainer => ({
  id: name.padEnd(64, '0'), name, hostname: name, domainname: '', mode: 'default', endpoints: {}, portBindings: {}, exposedPorts: [], publishAllPorts: false,
  dns: [], dnsSearch: [], dnsOptions: [], extraHosts: ['db:10.1.1.1', 'host:host-gateway'], links: [], sysctls: {}, ...overrides,
})
const ourLinks = (): string[] => kernel.links.list(undefined).map(link => link.name).filter(name => name.startsWith('shv'))

test('an attached container has its interface, files and events; detaching leaves nothing', async () => {
  const networks = await start()
  const sandbox = await networks.attach(container('web', { portBindings: { '80/tcp': [{ HostPort: '8080' }] } }))
  assert.equal(sandbox.netnsPath, join(folder, 'run', 'netns', 'web'.padEnd(64, '0')))
  assert.match(sandbox.hosts, /10\.1\.1\.1\tdb\n172\.17\.0\.1\thost\n172\.17\.0\.2\tweb\n$/)
  assert.equal(sandbox.endpoints['bridge']?.MacAddress, '02:42:ac:11:00:02')
  assert.equal(ourLinks().length, 1)
  assert.equal(kernel.openSockets.size, 1)
  await networks.detach('web'.padEnd(64, '0'))
  await networks.detach('web'.padEnd(64, '0'))
  assert.deepEqual([ourLinks(), kernel.openSockets.size, kernel.netns.list(join(folder, 'run', 'netns'))], [[], 0, []])
  assert.deepEqual(events.map(event => event.Action), ['connect', 'disconnect'])
})

test('whatever step of an attach fails, everything before it is undone', async () => {
  const networks = await start()
  await networks.create({ Name: 'second' })
  for (const kind of ['add-veth', 'set-link', 'set-port', 'add-address', 'add-route'] as const) {
    kernel.failNext = kind
    await assert.rejects(networks.attach(container('web', { endpoints: { second: {} } })), error => hasCode(error, 'rtnetlink-failed'), kind)
    assert.deepEqual([ourLinks(), kernel.openSockets.size, kernel.netns.list(join(folder, 'run', 'netns'))], [[], 0, []], kind)
  }
  const sandbox = await networks.attach(container('fine'))
  assert.equal(sandbox.endpoints['bridge']?.IPAddress, '172.17.0.7', 'freed addresses come back last, but none is lost')
})

test('two containers cannot have a port, unless on different addresses', async () => {
  const networks = await start()
  const on = (HostIp: string): Partial<NetworkedContainer> => ({ portBindings: { '80/tcp': [{ HostIp, HostPort: '80' }] } })
  await networks.attach(container('a', on('10.0.0.1')))
  await networks.attach(container('b', on('10.0.0.2')))
  await assert.rejects(networks.attach(container('c', on('0.0.0.0'))), /driver failed programming external connectivity on endpoint c .*Bind for 0\.0\.0\.0:80 failed: port is already allocated/)
  await networks.detach('a'.padEnd(64, '0'))
  await networks.attach(container('d', on('10.0.0.1')))
})

test('a restart keeps who runs and clears who does not, and what no record knows', async () => {
  const before = await start()
  const kept = container('kept', { portBindings: { '80/tcp': [{ HostPort: '8080' }] } })
  const sandbox = await before.attach(kept)
  await before.attach(container('gone'))
  kernel.netns.create(join(folder, 'run', 'netns', 'stray'))
  kernel.links.apply(undefined, [{ kind: 'add-veth', name: 'shvstray', peer: { name: 'x' } }])
  kernel.openSockets.clear()
  const networks = await start()
  await networks.restore([{ container: kept, sandbox }])
  assert.deepEqual(kernel.netns.list(join(folder, 'run', 'netns')), ['kept'.padEnd(64, '0')])
  assert.equal(ourLinks().length, 1)
  assert.equal(kernel.openSockets.size, 1)
  const other = await networks.attach(container('other'))
  assert.notEqual(other.endpoints['bridge']?.IPAddress, '172.17.0.2')
})

test('networks keep their identity over a restart', async () => {
  const { Id } = await (await start()).create({ Name: 'mine', Labels: { a: 'b' } })
  const networks = await start()
  assert.equal((await networks.inspect('mine')).Id, Id)
  assert.deepEqual((await networks.list({ label: ['a=b'] })).map(network => network.Name), ['mine'])
  assert.deepEqual((await networks.list({ type: ['builtin'] })).map(network => network.Name).sort(), ['bridge', 'host', 'none'])
  assert.equal((await networks.inspect(Id.slice(0, 12))).Name, 'mine')
})

test('the default bridge follows the configuration of the daemon', async () => {
  const { Id } = await (await start()).inspect('bridge')
  const networks = await start({ bip: '10.77.0.1/24' })
  const bridge = await networks.inspect('bridge')
  assert.deepEqual([bridge.Id, bridge.IPAM?.Config], [Id, [{ Subnet: '10.77.0.0/24', Gateway: '10.77.0.1' }]])
  assert.deepEqual(kernel.links.addresses(undefined), [{ link: 'docker0', cidr: '10.77.0.1/24' }])
})

test('what cannot be done is refused with a reason', async () => {
  const networks = await start()
  await assert.rejects(networks.create({ Name: 'host' }), error => hasCode(error, 'predefined-network'))
  await assert.rejects(networks.create({ Name: 'a b' }), error => hasCode(error, 'invalid-network'))
  await assert.rejects(networks.create({ Name: 'x', Driver: 'overlay' }), error => hasCode(error, 'network-driver-not-found'))
  await assert.rejects(networks.create({ Name: 'x', EnableIPv6: true }), error => hasCode(error, 'ipv6-unsupported'))
  await assert.rejects(networks.create({ Name: 'x', IPAM: { Config: [{ Subnet: '172.17.5.0/24' }] } }), /Pool overlaps with other one on this address space/)
  await assert.rejects(networks.create({ Name: 'x', IPAM: { Config: [{ Subnet: '10.1.2.3/24' }] } }), error => hasCode(error, 'invalid-subnet'))
  await assert.rejects(networks.validate(container('c', { mode: 'nowhere' })), /network nowhere not found/)
  await assert.rejects(networks.validate(container('c', { portBindings: { '80/sctp': [{}] } })), error => hasCode(error, 'unsupported-protocol'))
  await assert.rejects(networks.attach(container('c', { mode: 'container:nobody' })), /non running container/)
  await assert.rejects(networks.list({ colour: ['red'] }), error => hasCode(error, 'invalid-filter'))
})

test('a plain container gets its address on an overlay from the cluster and gives it back', async () => {
  const released: string[] = []
  const networks = await createLocalNetworks({
    kernel, execRoot: join(folder, 'run'), dataRoot: join(folder, 'data'), clock: new FakeClock(), random: new SeededRandom(1), logger: new MemoryLogger(),
    containers: () => { throw new Error('not asked') }, dnsUpstreams: [],
    overlayAttachments: {
      isAttachable: async ref => ref === 'ov',
      acquire: async ({ networkRef }) => {
        if (networkRef !== 'ov') throw new ShoalError('not-found', 'no-such-network', `network ${networkRef} not found`)
        await networks.applyOverlay({
          networkId: 'ov1', revision: 1, name: 'ov', vni: 4097, subnet: '10.0.1.0/24', gateway: '10.0.1.1', mtu: 0, internal: true, ingress: false, attachable: true, encrypted: false,
          vxlanPort: 4789, nodeAddress: '10.0.1.250/24', endpoints: [], nodes: [], services: [], labels: {}, options: {},
        })
        return { networkId: 'ov1', address: '10.0.1.9/24' }
      },
      release: async id => { released.push(id) },
    },
  })
  const plain = container('plain', { mode: 'ov' })
  await networks.validate(plain)
  await assert.rejects(networks.validate(container('lost', { mode: 'nowhere' })), /network nowhere not found/)
  kernel.failNext = 'set-port'
  await assert.rejects(networks.attach(plain))
  assert.deepEqual(released, [plain.id])
  await assert.rejects(networks.attach(container('lost', { mode: 'nowhere' })), /network nowhere not found/)
  assert.deepEqual((await networks.inspect('ov')).Containers, {})
})

test('host and none modes need no interface', async () => {
  const networks = await start()
  const host = await networks.attach(container('h', { mode: 'host' }))
  assert.deepEqual([host.netnsPath, Object.keys(host.endpoints)], [undefined, ['host']])
  const none = await networks.attach(container('n', { mode: 'none' }))
  assert.deepEqual([Object.keys(none.endpoints), ourLinks()], [['none'], []])
  assert.ok(none.netnsPath)
  const shared = await networks.attach(container('s', { mode: 'container:n' }))
  assert.equal(shared.netnsPath, none.netnsPath)
})

test('changes of a network made at once do not mix', async () => {
  const networks = await start()
  const names = Array.from({ length: 10 }, (_, at) => `c${at}`)
  const sandboxes = await Promise.all(names.map(name => networks.attach(container(name))))
  assert.equal(new Set(sandboxes.map(each => each.endpoints['bridge']?.IPAddress)).size, 10)
  await Promise.all(names.map(name => networks.detach(name.padEnd(64, '0'))))
  assert.deepEqual(ourLinks(), [])
})

test('without br_netfilter overlays and bridges without icc are refused with what to do; others work', async () => {
  const networks = await start()
  kernel.missingModules.add('br_netfilter')
  await assert.rejects(networks.create({ Name: 'apart', Options: { 'com.docker.network.bridge.enable_icc': 'false' } }), error => hasCode(error, 'kernel-module-missing'))
  await assert.rejects(networks.applyOverlay({
    networkId: 'ov1', revision: 1, name: 'ov', vni: 4097, subnet: '10.0.1.0/24', gateway: '10.0.1.1', mtu: 0, internal: true, ingress: false, attachable: true, encrypted: false,
    vxlanPort: 4789, nodeAddress: '10.0.1.250/24', endpoints: [], nodes: [], services: [], labels: {}, options: {},
  }), error => hasCode(error, 'kernel-module-missing'))
  await networks.create({ Name: 'plain' })
  assert.deepEqual((await networks.list()).map(network => network.Name).sort(), ['bridge', 'host', 'none', 'plain'])
})
