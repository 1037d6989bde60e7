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
import { createLocalNetworks, type LocalNetworksOptions } from './create-local-networks.ts'
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

const start = (more: Partial<LocalNetworksOptions> = {}): Promise<LocalNetworks> => createLocalNetworks({
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
  assert.deepEqual([...kernel.openSockets.values()], [' tcp 0.0.0.0 8080', ' tcp :: 8080'])
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
  await networks.restore([{ container: kept, sandbox }], new Set())
  assert.deepEqual(kernel.netns.list(join(folder, 'run', 'netns')), ['kept'.padEnd(64, '0')])
  assert.equal(ourLinks().length, 1)
  assert.equal(kernel.openSockets.size, 2)
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
  const networks = await start({ defaultBridge: { bip: '10.77.0.1/24' } })
  const bridge = await networks.inspect('bridge')
  assert.deepEqual([bridge.Id, bridge.IPAM?.Config], [Id, [{ Subnet: '10.77.0.0/24', Gateway: '10.77.0.1' }]])
  assert.deepEqual(kernel.links.addresses(undefined), [{ link: 'docker0', cidr: '10.77.0.1/24' }])
})

test('what cannot be done is refused with a reason', async () => {
  const networks = await start()
  await assert.rejects(networks.create({ Name: 'host' }), error => hasCode(error, 'predefined-network'))
  await assert.rejects(networks.create({ Name: ' ' }), error => hasCode(error, 'invalid-network'))
  await assert.rejects(networks.create({ Name: 'x', Driver: 'overlay' }), error => hasCode(error, 'network-driver-not-found'))
  await assert.rejects(networks.create({ Name: 'x', Ingress: true }), error => hasCode(error, 'invalid-network'))
  await assert.rejects(networks.create({ Name: 'x', IPAM: { Config: [{ Subnet: '172.17.5.0/24' }] } }), /Pool overlaps with other one on this address space/)
  await assert.rejects(networks.create({ Name: 'x', IPAM: { Config: [{ Subnet: '10.1.2.3/24' }] } }), error => hasCode(error, 'invalid-subnet'))
  await assert.rejects(networks.validate(container('c', { mode: 'nowhere' })), /network nowhere not found/)
  await assert.rejects(networks.validate(container('c', { portBindings: { '80/dccp': [{}] } })), error => hasCode(error, 'invalid-port'))
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

test('the default bridge can be of both families: a container gets both addresses, and its ports are taken in both at the same number', async () => {
  const networks = await start({ defaultBridge: { ipv6: true } })
  const { IPAM } = await networks.inspect('bridge')
  assert.match(IPAM?.Config?.[1]?.Subnet ?? '', /^fd[0-9a-f:]+::\/64$/)
  const sandbox = await networks.attach(container('web', { portBindings: { '80/tcp': [{}], '53/udp': [{ HostIp: '10.0.0.1' }], '99/sctp': [{ HostIp: '[fd00::1]', HostPort: '99' }] } }))
  const endpoint = sandbox.endpoints['bridge']
  assert.match(endpoint?.GlobalIPv6Address ?? '', /^fd[0-9a-f:]+::2$/)
  assert.equal(endpoint?.IPv6Gateway, IPAM?.Config?.[1]?.Gateway)
  const [first, second] = sandbox.ports['80/tcp'] ?? []
  assert.deepEqual([first?.HostIp, second?.HostIp, first?.HostPort], ['0.0.0.0', '::', second?.HostPort])
  assert.deepEqual([sandbox.ports['53/udp']?.map(each => each.HostIp), sandbox.ports['99/sctp']], [['10.0.0.1'], [{ HostIp: 'fd00::1', HostPort: '99' }]])
  assert.match(sandbox.hosts, new RegExp(`${endpoint?.IPAddress}\tweb\n${endpoint?.GlobalIPv6Address}\tweb\n`))
  assert.deepEqual(kernel.linkOperations.flatMap(({ operation }) => (operation.kind === 'add-route' ? [operation.to] : [])), ['default', 'default6'])
  const rules = kernel.nftRuns.at(-1)?.commands ?? ''
  assert.match(rules, /ip shoal published_on \{ 10\.0\.0\.1 \. udp/)
  assert.match(rules, /ip6 shoal published_on \{ fd00::1 \. sctp \. 99 : fd[0-9a-f:]+::2 \. 99 \}/)
  assert.equal(kernel.sysctls.get(':ipv6/conf/all/forwarding'), '1')
})

test('subnets and addresses of both families are checked when they are asked for', async () => {
  const networks = await start()
  await networks.create({ Name: 'six', EnableIPv4: false, EnableIPv6: true, IPAM: { Config: [{ Subnet: 'fd00:6::/64' }] } })
  const six = await networks.inspect('six')
  assert.deepEqual([six.EnableIPv4, six.EnableIPv6, six.IPAM?.Config], [false, true, [{ Subnet: 'fd00:6::/64' }]])
  await assert.rejects(networks.create({ Name: 'x', EnableIPv6: true, IPAM: { Config: [{ Subnet: 'fd00::/16' }] } }), /Pool overlaps/)
  await assert.rejects(networks.create({ Name: 'x', IPAM: { Config: [{ Subnet: '10.1.0.0/24' }, { Subnet: '10.2.0.0/24' }] } }), /bridge driver doesn't support multiple subnets/)
  const asking = (IPAMConfig: object): NetworkedContainer => container('c', { mode: 'six', endpoints: { six: { IPAMConfig } } })
  await assert.rejects(networks.validate(asking({ IPv4Address: '10.0.0.9' })), /only when connecting to networks with user configured subnets/)
  await assert.rejects(networks.validate(asking({ IPv6Address: 'nonsense' })), /invalid IPv6 address: nonsense/)
  await assert.rejects(networks.validate(container('c', { endpoints: { bridge: { IPAMConfig: { IPv4Address: '172.17.0.9' } } } })), /supported on user defined networks only/)
  await networks.validate(asking({ IPv6Address: 'fd00:6::9' }))
})

test('settings can come from a configuration network, which stays as long as it is used', async () => {
  const networks = await start()
  await networks.create({ Name: 'conf', ConfigOnly: true, Labels: { a: 'b' }, IPAM: { Config: [{ Subnet: '10.50.0.0/24' }] } })
  await networks.create({ Name: 'made', ConfigFrom: { Network: 'conf' } })
  const made = await networks.inspect('made')
  assert.deepEqual([made.ConfigFrom, made.IPAM?.Config, made.Driver, (await networks.inspect('conf')).Driver], [{ Network: 'conf' }, [{ Subnet: '10.50.0.0/24' }], 'bridge', 'null'])
  await assert.rejects(networks.remove('conf'), /configuration network "conf" is in use/)
  await assert.rejects(networks.create({ Name: 'bad', ConfigFrom: { Network: 'conf' }, Options: { x: 'y' } }), error => hasCode(error, 'invalid-network'))
  await assert.rejects(networks.validate(container('c', { mode: 'conf' })), /cannot create endpoint on configuration-only network/)
  await networks.remove('made')
  await networks.remove('conf')
})

test('macvlan and ipvlan networks take a link of the host, or one of its VLANs, which goes with them', async () => {
  kernel.links.apply(undefined, [{ kind: 'add-dummy', name: 'eth7' }])
  const networks = await start()
  const create = (Name: string, Driver: string, Options: Record<string, string>, Subnet: string): Promise<unknown> => networks.create({ Name, Driver, Options, IPAM: { Config: [{ Subnet }] } })
  await create('mac', 'macvlan', { parent: 'eth7' }, '10.60.0.0/24')
  await assert.rejects(create('mac2', 'macvlan', { parent: 'eth7' }, '10.61.0.0/24'), /is already using parent interface eth7/)
  await assert.rejects(create('mac3', 'macvlan', { parent: 'nope' }, '10.61.0.0/24'), /invalid subinterface vlan name nope, example formatting is eth0\.10/)
  await assert.rejects(create('mac4', 'macvlan', { parent: 'eth7.5', macvlan_mode: 'zz' }, '10.61.0.0/24'), /requested macvlan mode 'zz' is not valid/)
  await create('vlan', 'macvlan', { parent: 'eth7.5', macvlan_mode: 'private' }, '10.61.0.0/24')
  await create('l3', 'ipvlan', { parent: 'eth7', ipvlan_mode: 'l3' }, '10.62.0.0/24')
  const made = kernel.linkOperations.flatMap(({ operation }) => (operation.kind === 'add-vlan' ? [`${operation.parent} ${operation.name} ${operation.id}`] : []))
  assert.deepEqual(made, ['eth7 eth7.5 5'])
  await networks.remove('vlan')
  assert.deepEqual(kernel.links.list(undefined).map(link => link.name).filter(name => name.startsWith('eth')), ['eth7'])
})

test('the daemon can have no default bridge, or one with a range, a gateway and IPv6 of its own', async () => {
  const without = await start({ defaultBridge: { bridge: 'none' } })
  assert.deepEqual((await without.list()).map(network => network.Name).sort(), ['host', 'none'])
  assert.deepEqual((await without.attach(container('c'))).endpoints, {})
  await without.detach('c'.padEnd(64, '0'))
  const networks = await start({ defaultBridge: { bip: '10.9.0.1/16', fixedCidr: '10.9.8.0/24', defaultGateway: '10.9.0.254', ipv6: true, bip6: 'fd00:9::1/64', fixedCidrV6: 'fd00:9::/80', ip: '127.0.0.1' }, hostGateways: ['10.9.0.7'] })
  const sandbox = await networks.attach(container('web', { portBindings: { '80/tcp': [{ HostPort: '8080' }] } }))
  const endpoint = sandbox.endpoints['bridge']
  assert.deepEqual([endpoint?.IPAddress, endpoint?.Gateway, endpoint?.GlobalIPv6Address, endpoint?.IPv6Gateway], ['10.9.8.0', '10.9.0.254', 'fd00:9::2', 'fd00:9::1'])
  assert.deepEqual(sandbox.ports['80/tcp'], [{ HostIp: '127.0.0.1', HostPort: '8080' }])
  assert.match(sandbox.hosts, /10\.9\.0\.7\thost\n/)
})

test('rules that are not wanted are not written, and those of before are taken away', async () => {
  const networks = await start({ hasRules: { ipv4: false, ipv6: false } })
  await networks.attach(container('web', { portBindings: { '80/tcp': [{ HostPort: '8080' }] } }))
  assert.deepEqual(kernel.nftRuns.map(({ commands }) => commands), ['table ip shoal\ndelete table ip shoal\ntable ip6 shoal\ndelete table ip6 shoal\n'])
})

test('connects of one container that come at once all count', async () => {
  let web = container('web')
  const networks = await start({ containers: () => ({
    find: async () => ({ container: web, isRunning: false }),
    endpointsChanged: async (_, { endpoints, hasLeftMode }) => {
      await new Promise<void>(resolve => { setImmediate(resolve) })
      web = { ...web, endpoints, hasLeftMode: hasLeftMode === true }
    },
  }) })
  for (const name of ['front', 'back']) await networks.create({ Name: name })
  await Promise.all([networks.connect('front', 'web'), networks.connect('back', 'web')])
  assert.deepEqual(Object.keys(web.endpoints), ['bridge', 'front', 'back'], 'also the network of its mode, which nobody named')
  await networks.disconnect('bridge', 'web', false)
  assert.deepEqual([Object.keys(web.endpoints), web.hasLeftMode], [['front', 'back'], true])
})
