import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ContainerSandbox, NetworkedContainer } from '../../agent/engine/network/container-networks.ts'
import { aContainer, eventually, inside, NetworkHost, run } from './network-host.ts'

let host: NetworkHost
let client: string

/** Answers every request with the address it came from. */
const ECHO_PEER = "require('http').createServer((q, r) => r.end(q.socket.remoteAddress.replace('::ffff:', ''))).listen(80)"
const ECHO_UDP = "const s = require('dgram').createSocket('udp6'); s.on('message', (m, p) => s.send(m, p.port, p.address)); s.bind(53)"
const serve = (sandbox: ContainerSandbox, program = ECHO_PEER): void => { host.serve(sandbox, process.execPath, '-e', program) }
const fetchFrom = (netns: string, url: string): string => run('ip', 'netns', 'exec', netns, 'curl', '-sS', '--connect-timeout', '3', '--max-time', '10', url)
const fetchInside = (sandbox: ContainerSandbox, url: string): string => inside(sandbox, 'curl', '-sS', '--connect-timeout', '3', '--max-time', '10', url)
const cannotReach = (sandbox: ContainerSandbox, ip: string): void => { assert.throws(() => inside(sandbox, 'busybox', 'ping', '-c1', '-W1', ip), ip) }
const reaches = (sandbox: ContainerSandbox, ip: string): void => { assert.match(inside(sandbox, 'busybox', 'ping', '-c1', '-W3', ip), /1 packets received/, ip) }
const on = (mode: string, more: Partial<NetworkedContainer> = {}): Partial<NetworkedContainer> => ({ mode, ...more })
const published = (key: string, port: number): Partial<NetworkedContainer> => ({ portBindings: { [key]: [{ HostPort: String(port) }] } })
const detachAll = async (...names: readonly string[]): Promise<void> => { for (const name of names) await host.call('detach', aContainer(name).id) }

before(async () => {
  host = new NetworkHost('v6', { dnsUpstreams: [] })
  client = `network-client6-${process.pid}`
  run('ip', 'netns', 'add', client)
  run('ip', 'link', 'add', 'nwt0', 'netns', host.netns, 'type', 'veth', 'peer', 'name', 'nwt1', 'netns', client)
  for (const [netns, link, own] of [[host.netns, 'nwt0', 1], [client, 'nwt1', 2]] as const) {
    run('ip', '-n', netns, 'addr', 'add', `10.99.0.${own}/24`, 'dev', link)
    run('ip', '-n', netns, 'addr', 'add', `fd99::${own}/64`, 'dev', link, 'nodad')
    run('ip', '-n', netns, 'link', 'set', link, 'up')
  }
  run('ip', '-n', client, 'route', 'add', 'default', 'via', '10.99.0.1')
  run('ip', '-n', client, '-6', 'route', 'add', 'default', 'via', 'fd99::1')
  await host.start()
  await host.call('restore', [])
})
after(async () => {
  await host[Symbol.asyncDispose]()
  run('ip', 'netns', 'del', client)
})

test('a published port is reached over both families from everywhere, clients keep their addresses, and nothing else is open', async () => {
  await host.call('create', { Name: 'dual', EnableIPv6: true })
  const web = await host.attach(aContainer('web', on('dual', published('80/tcp', 8080))))
  const other = await host.attach(aContainer('other', on('dual')))
  serve(web)
  const ip6 = web.endpoints['dual']?.GlobalIPv6Address ?? ''
  assert.match(ip6, /^fd.*::2$/)
  assert.equal(await eventually(() => fetchFrom(client, 'http://[fd99::1]:8080')), 'fd99::2')
  assert.equal(fetchFrom(client, 'http://10.99.0.1:8080'), '10.99.0.2')
  assert.match(fetchFrom(host.netns, 'http://[fd99::1]:8080'), /^fd/)
  assert.match(fetchFrom(host.netns, 'http://[::1]:8080'), /^fd/, 'passed on')
  assert.match(fetchInside(web, 'http://[fd99::1]:8080'), /^fd/, 'hairpin')
  assert.match(fetchInside(other, 'http://[fd99::1]:8080'), /^fd/)
  assert.equal(fetchInside(other, `http://[${ip6}]`), other.endpoints['dual']?.GlobalIPv6Address)
  assert.throws(() => fetchFrom(client, `http://[${ip6}]`), 'unpublished from outside')
  reaches(other, 'fd99::2')
  const lookup = (name: string, type: string): string => inside(other, 'busybox', 'nslookup', `-type=${type}`, name, '127.0.0.11')
  assert.ok(lookup('web', 'aaaa').includes(ip6))
  assert.ok(lookup('web', 'a').includes(web.endpoints['dual']?.IPAddress ?? 'none'))
  assert.match(inside(other, 'busybox', 'nslookup', ip6, '127.0.0.11'), /web\.dual/)
  await detachAll('web', 'other')
  await host.call('remove', 'dual')
})

test('UDP ports work over IPv6, from ::1 too, and SCTP ports have their rules', async () => {
  await host.call('create', { Name: 'dual', EnableIPv6: true, IPAM: { Config: [{ Subnet: 'fd00:7::/64' }] } })
  const echo = await host.attach(aContainer('echo', on('dual', { portBindings: { '53/udp': [{ HostPort: '5353' }], '132/sctp': [{ HostPort: '9132' }] } })))
  assert.deepEqual(echo.ports['53/udp']?.map(each => each.HostIp), ['0.0.0.0', '::'])
  serve(echo, ECHO_UDP)
  const ask = (netns: string, ip: string): string => run('ip', 'netns', 'exec', netns, 'bash', '-c', `exec 3<>/dev/udp/${ip}/5353; echo hello >&3; timeout 5 head -n1 <&3 || true`)
  for (const [netns, ip] of [[client, 'fd99::1'], [host.netns, '::1'], [host.netns, 'fd99::1'], [client, '10.99.0.1']] as const) await eventually(() => assert.equal(ask(netns, ip), 'hello\n', ip))
  assert.match(host.rules(), /sctp \. 9132 : fd00:7::2 \. 132/)
  await assert.rejects(host.attach(aContainer('second', on('dual', published('1/sctp', 9132)))), /Bind for 0\.0\.0\.0:9132 failed: port is already allocated/)
  await detachAll('echo')
  await host.call('remove', 'dual')
})

test('networks are closed to each other in both families, and internal ones to the world', async () => {
  for (const [Name, Internal] of [['left', false], ['right', false], ['inner', true]] as const) await host.call('create', { Name, Internal, EnableIPv6: true })
  const [left, right, inner, inner2] = await Promise.all([['l', 'left'], ['r', 'right'], ['i', 'inner'], ['j', 'inner']].map(([name = '', mode = '']) => host.attach(aContainer(name, on(mode, name === 'r' ? published('80/tcp', 8081) : {})))))
  assert.ok(left && right && inner && inner2)
  serve(right)
  const ips = (sandbox: ContainerSandbox, name: string): readonly string[] => [sandbox.endpoints[name]?.IPAddress ?? '', sandbox.endpoints[name]?.GlobalIPv6Address ?? '']
  assert.match(await eventually(() => fetchInside(left, 'http://10.99.0.1:8081')), /^172/)
  assert.match(fetchInside(left, 'http://[fd99::1]:8081'), /^fd/)
  for (const ip of ips(right, 'right')) cannotReach(left, ip)
  for (const ip of [...ips(right, 'right'), '10.99.0.2', 'fd99::2']) cannotReach(inner, ip)
  for (const ip of ips(inner, 'inner')) {
    cannotReach(left, ip)
    reaches(inner2, ip)
  }
  for (const ip of ['10.99.0.2', 'fd99::2']) reaches(left, ip)
  await detachAll('l', 'r', 'i', 'j')
  for (const name of ['left', 'right', 'inner']) await host.call('remove', name)
})

test('routed networks open published ports at the container, unprotected ones all', async () => {
  const options = (mode: string): Record<string, string> => ({ 'com.docker.network.bridge.gateway_mode_ipv4': mode, 'com.docker.network.bridge.gateway_mode_ipv6': mode })
  await host.call('create', { Name: 'routed', EnableIPv6: true, Options: options('routed') })
  await host.call('create', { Name: 'open', EnableIPv6: true, Options: options('nat-unprotected') })
  const routed = await host.attach(aContainer('ro', on('routed', published('80/tcp', 8082))))
  const open = await host.attach(aContainer('op', on('open')))
  for (const sandbox of [routed, open]) serve(sandbox)
  for (const [sandbox, name] of [[routed, 'routed'], [open, 'open']] as const) {
    const endpoint = sandbox.endpoints[name]
    assert.equal(await eventually(() => fetchFrom(client, `http://${endpoint?.IPAddress}`)), '10.99.0.2', name)
    assert.equal(fetchFrom(client, `http://[${endpoint?.GlobalIPv6Address}]`), 'fd99::2', name)
  }
  const ping = (ip = ''): string => run('ip', 'netns', 'exec', client, 'busybox', 'ping', '-c1', '-W1', ip)
  assert.throws(() => ping(routed.endpoints['routed']?.IPAddress), 'only the published port')
  assert.match(ping(open.endpoints['open']?.GlobalIPv6Address), /1 packets received/)
  await detachAll('ro', 'op')
  for (const name of ['routed', 'open']) await host.call('remove', name)
})

test('macvlan containers are on the parent\'s wire, and private ones not even beside each other', async () => {
  for (const [Name, mode] of [['lan', 'bridge'], ['hermit', 'private']] as const) {
    await host.call('create', { Name, Driver: 'macvlan', EnableIPv6: true, Options: { parent: 'nwt0', macvlan_mode: mode }, IPAM: { Config: [{ Subnet: '10.99.0.0/24', IPRange: '10.99.0.64/26', Gateway: '10.99.0.2' }, { Subnet: 'fd99::/64', Gateway: 'fd99::2', IPRange: 'fd99::64:0/112' }] } })
    const one = await host.attach(aContainer('m1', on(Name, published('80/tcp', 8083))))
    const two = await host.attach(aContainer('m2', on(Name)))
    assert.deepEqual(one.ports, {}, 'published ports are of bridges alone')
    for (const ip of ['10.99.0.2', 'fd99::2']) reaches(one, ip)
    const ips = [two.endpoints[Name]?.IPAddress ?? '', two.endpoints[Name]?.GlobalIPv6Address ?? '']
    for (const ip of ips) (Name === 'lan' ? reaches : cannotReach)(one, ip)
    await detachAll('m1', 'm2')
    await host.call('remove', Name)
  }
})

test('interfaces, link-local addresses, settings and MACs are as the container asks', async () => {
  await host.call('create', { Name: 'own', Options: { 'com.docker.network.container_iface_prefix': 'net' }, IPAM: { Config: [{ Subnet: '10.70.0.0/24' }] } })
  await host.call('create', { Name: 'six', EnableIPv4: false, EnableIPv6: true })
  const box = await host.attach(aContainer('box', {
    mode: 'own', endpoints: {
      own: { MacAddress: '02:42:00:00:00:07', IPAMConfig: { IPv4Address: '10.70.0.9', LinkLocalIPs: ['169.254.7.7'] } },
      six: { GwPriority: 5, DriverOpts: { 'com.docker.network.endpoint.ifname': 'up6', 'com.docker.network.endpoint.sysctls': 'net.ipv6.conf.IFNAME.mtu=1400' } },
    },
  }))
  const links = inside(box, 'ip', '-br', 'addr')
  assert.match(links, /net0@\S+ +UP +10\.70\.0\.9\/24 169\.254\.7\.7\/16/)
  assert.match(links, /up6@\S+ +UP +fd\S+\/64/)
  assert.match(inside(box, 'ip', '-br', 'link', 'show', 'net0'), /02:42:00:00:00:07/)
  assert.equal(inside(box, 'cat', '/proc/sys/net/ipv6/conf/up6/mtu'), '1400\n')
  assert.match(inside(box, 'ip', 'route'), /default via 10\.70\.0\.1 dev net0/)
  assert.match(inside(box, 'ip', '-6', 'route'), /default via fd\S+ dev up6/)
  await host.call('disconnect', 'six', 'box', false)
  assert.doesNotMatch(inside(box, 'ip', '-br', 'addr'), /up6/)
  await detachAll('box')
  for (const name of ['own', 'six']) await host.call('remove', name)
})

test('a crash leaves traffic alone and the next daemon takes over; after a reboot all networks are made again', async () => {
  await host.call('create', { Name: 'kept', EnableIPv6: true })
  const container = aContainer('stays', on('kept', published('80/tcp', 8090)))
  const stays = await host.attach(container)
  serve(stays)
  await eventually(() => fetchFrom(client, 'http://[fd99::1]:8090'))
  await host.killDaemon()
  assert.equal(fetchFrom(client, 'http://[fd99::1]:8090'), 'fd99::2')
  await host.start()
  await host.call('restore', [{ container, sandbox: stays }])
  assert.equal(fetchFrom(client, 'http://[fd99::1]:8090'), 'fd99::2')
  assert.match(await eventually(() => fetchFrom(host.netns, 'http://[::1]:8090')), /^fd/)
  const third = await host.attach(aContainer('third', on('kept')))
  assert.notEqual(third.endpoints['kept']?.GlobalIPv6Address, stays.endpoints['kept']?.GlobalIPv6Address)
  await host.killDaemon()
  for (const name of host.namespaces()) run('umount', '-l', join(host.folder, 'run', 'netns', name))
  rmSync(join(host.folder, 'run'), { recursive: true })
  for (const link of host.links().filter(name => /^(shv|br-|docker0)/.test(name))) run('ip', '-n', host.netns, 'link', 'del', link)
  host.exec('nft', 'flush', 'ruleset')
  await host.start()
  await host.call('restore', [])
  const again = await host.attach(container)
  serve(again)
  assert.equal(again.endpoints['kept']?.NetworkID, stays.endpoints['kept']?.NetworkID)
  assert.equal(await eventually(() => fetchFrom(client, 'http://[fd99::1]:8090')), 'fd99::2')
  await detachAll('stays')
  await host.call('remove', 'kept')
  assert.deepEqual(host.links().filter(name => /^(shv|br-)/.test(name)), [])
  assert.doesNotMatch(host.rules(), /809\d|br-/)
})
