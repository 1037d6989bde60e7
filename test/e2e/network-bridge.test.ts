import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ContainerSandbox, NetworkedContainer } from '../../agent/engine/network/container-networks.ts'
import { aContainer, eventually, inside, NetworkHost, run } from './network-host.ts'

let host: NetworkHost
let client: string

/** A web server whose answer is its name. */
function serveWeb(name: string, sandbox: ContainerSandbox, port = 80): void {
  const folder = join(host.folder, `www-${name}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'index.html'), name)
  host.serve(sandbox, 'busybox', 'httpd', '-f', '-p', String(port), '-h', folder)
}
const fetchFrom = (netns: string, url: string): string => run('ip', 'netns', 'exec', netns, 'curl', '-sS', '--connect-timeout', '3', '--max-time', '10', url)
const fetchInside = (sandbox: ContainerSandbox, url: string): string => inside(sandbox, 'curl', '-sS', '--connect-timeout', '3', '--max-time', '10', url)

before(async () => {
  host = new NetworkHost('br', { dnsUpstreams: [] })
  client = `network-client-${process.pid}`
  run('ip', 'netns', 'add', client)
  run('ip', 'link', 'add', 'nwt0', 'netns', host.netns, 'type', 'veth', 'peer', 'name', 'nwt1', 'netns', client)
  run('ip', '-n', host.netns, 'addr', 'add', '10.99.0.1/24', 'dev', 'nwt0')
  run('ip', '-n', host.netns, 'link', 'set', 'nwt0', 'up')
  run('ip', '-n', client, 'addr', 'add', '10.99.0.2/24', 'dev', 'nwt1')
  run('ip', '-n', client, 'link', 'set', 'nwt1', 'up')
  run('ip', '-n', client, 'route', 'add', 'default', 'via', '10.99.0.1')
  await host.start()
  await host.call('restore', [])
})
after(async () => {
  await host[Symbol.asyncDispose]()
  run('ip', 'netns', 'del', client)
})

test('a container on the default bridge reaches the world masqueraded and is reached by its published port only', async () => {
  const web = await host.attach(aContainer('web', { portBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }], '90/tcp': [{ HostPort: '' }] }, exposedPorts: ['80/tcp', '443/tcp'] }))
  serveWeb('web', web)
  assert.equal(web.endpoints['bridge']?.IPAddress, '172.17.0.2')
  assert.deepEqual(web.ports['80/tcp'], [{ HostIp: '0.0.0.0', HostPort: '8080' }, { HostIp: '::', HostPort: '8080' }])
  assert.equal(web.ports['443/tcp'], null)
  assert.match(web.ports['90/tcp']?.[0]?.HostPort ?? '', /^\d{5}$/)
  assert.match(web.hosts, /172\.17\.0\.2\tweb\n/)
  assert.equal(await eventually(() => fetchFrom(client, 'http://10.99.0.1:8080')), 'web')
  assert.equal(fetchFrom(host.netns, 'http://127.0.0.1:8080'), 'web')
  assert.equal(fetchFrom(host.netns, 'http://10.99.0.1:8080'), 'web')
  assert.equal(fetchFrom(host.netns, 'http://[::1]:8080'), 'web', 'passed on to a container without IPv6')
  assert.equal(fetchInside(web, 'http://10.99.0.1:8080'), 'web', 'a container reaches itself by the published port')
  assert.throws(() => fetchFrom(client, 'http://172.17.0.2:80'), 'unpublished from outside')
  assert.match(inside(web, 'busybox', 'ping', '-c1', '-W2', '10.99.0.2'), /1 packets received/)
  const other = await host.attach(aContainer('other'))
  assert.equal(fetchInside(other, 'http://172.17.0.2'), 'web')
  assert.equal(fetchInside(other, 'http://10.99.0.1:8080'), 'web')
  await host.call('detach', aContainer('web').id)
  await host.call('detach', aContainer('other').id)
  assert.throws(() => fetchFrom(client, 'http://10.99.0.1:8080'))
})

test('published UDP ports, ranges and host addresses work', async () => {
  const echo = await host.attach(aContainer('echo', { portBindings: { '53/udp': [{ HostIp: '10.99.0.1', HostPort: '5353' }], '80/tcp': [{ HostPort: '9000-9002' }], '81/tcp': [{ HostPort: '9000-9002' }] } }))
  assert.deepEqual([echo.ports['80/tcp'], echo.ports['81/tcp']].map(each => each?.[0]?.HostPort).sort(), ['9000', '9001'])
  host.serve(echo, process.execPath, '-e', "const s = require('dgram').createSocket('udp4'); s.on('message', (m, p) => s.send(m, p.port, p.address)); s.bind(53)")
  const ask = (netns: string): string => run('ip', 'netns', 'exec', netns, 'bash', '-c', 'exec 3<>/dev/udp/10.99.0.1/5353; echo hello >&3; timeout 5 head -n1 <&3 || true')
  await eventually(() => assert.equal(ask(client), 'hello\n'))
  assert.equal(ask(host.netns), 'hello\n')
  await host.call('detach', aContainer('echo').id)
})

test('a port that is taken is refused, by whom it may be', async () => {
  await host.attach(aContainer('first', { portBindings: { '80/tcp': [{ HostPort: '8081' }] } }))
  await assert.rejects(host.attach(aContainer('second', { portBindings: { '80/tcp': [{ HostPort: '8081' }] } })), /Bind for 0\.0\.0\.0:8081 failed: port is already allocated/)
  host.serve(undefined, 'busybox', 'httpd', '-f', '-p', '8082')
  await eventually(() => fetchFrom(host.netns, 'http://127.0.0.1:8082/x'))
  await assert.rejects(host.attach(aContainer('third', { portBindings: { '80/tcp': [{ HostPort: '8082' }] } })), /address already in use/)
  assert.deepEqual(host.namespaces(), [aContainer('first').id])
  await host.call('detach', aContainer('first').id)
})

test('user-defined networks give names, keep strangers out, and can be joined and left by running containers', async () => {
  await host.call('create', { Name: 'one', Labels: { a: 'b' } })
  await host.call('create', { Name: 'two', Internal: true })
  await assert.rejects(host.call('create', { Name: 'one' }), /network with name one already exists/)
  const web = await host.attach(aContainer('Web', { mode: 'one', endpoints: { one: { Aliases: ['site'] } } }))
  serveWeb('one', web)
  const one = await host.attach(aContainer('c1', { mode: 'one' }))
  const two = await host.attach(aContainer('c2', { mode: 'two' }))
  assert.match(one.resolvConf, /nameserver 127\.0\.0\.11/)
  assert.equal(web.endpoints['one']?.IPAddress, '172.18.0.2')
  const lookup = (sandbox: ContainerSandbox, name: string): string => inside(sandbox, 'busybox', 'nslookup', name, '127.0.0.11')
  for (const name of ['web', 'WEB', 'site', aContainer('Web').id.slice(0, 12), 'web.one']) assert.match(await eventually(() => lookup(one, name)), /172\.18\.0\.2/, name)
  assert.match(lookup(one, '172.18.0.2'), /Web\.one/)
  assert.throws(() => lookup(two, 'web'))
  assert.equal(await eventually(() => fetchInside(one, 'http://172.18.0.2')), 'one')
  assert.throws(() => fetchInside(two, 'http://172.18.0.2'))
  assert.throws(() => inside(two, 'busybox', 'ping', '-c1', '-W1', '10.99.0.2'), 'internal')
  await assert.rejects(host.call('remove', 'one'), /network one has active endpoints \(name:/)
  await host.call('connect', 'one', 'c2', { Aliases: ['second'] })
  assert.equal(fetchInside(two, 'http://172.18.0.2'), 'one')
  assert.match(lookup(two, 'web'), /172\.18\.0\.2/)
  assert.match(lookup(one, 'second'), /172\.18\.0\.4/)
  assert.match(inside(two, 'busybox', 'ping', '-c1', '-W2', '10.99.0.2'), /1 packets received/)
  await host.call('disconnect', 'one', 'c2', false)
  assert.throws(() => lookup(two, 'web'))
  const inspected = await host.call<{ Containers: object; IPAM: { Config: object[] } }>('inspect', 'one')
  assert.equal(Object.keys(inspected.Containers).length, 2)
  assert.deepEqual(inspected.IPAM.Config, [{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' }])
  for (const name of ['Web', 'c1', 'c2']) await host.call('detach', aContainer(name).id)
  assert.deepEqual(await host.call('prune', {}), { NetworksDeleted: ['one', 'two'] })
  await assert.rejects(host.call('remove', 'bridge'), /bridge is a pre-defined network and cannot be removed/)
  await assert.rejects(host.call('inspect', 'nope'), /network nope not found/)
})

test('a renamed container is found by its new name at once, and by its old one no more', async () => {
  await host.call('create', { Name: 'town' })
  await host.attach(aContainer('before', { mode: 'town' }))
  const asking = await host.attach(aContainer('neighbour', { mode: 'town' }))
  const lookup = (name: string): string => inside(asking, 'busybox', 'nslookup', name, '127.0.0.11')
  await eventually(() => lookup('before'))
  await host.call('rename', aContainer('before').id, 'afterwards')
  assert.match(lookup('afterwards'), /Name:\s+afterwards/)
  assert.throws(() => lookup('before'))
  for (const name of ['before', 'neighbour']) await host.call('detach', aContainer(name).id)
  await host.call('remove', 'town')
})

test('a container that left the network of its mode stays away from it, running or not, and may come back', async () => {
  await host.call('create', { Name: 'other' })
  const again = async (): Promise<string[]> => {
    await host.call('detach', aContainer('mover').id)
    const known = await host.call<NetworkedContainer>('knownContainer', aContainer('mover').id)
    return Object.keys((await host.attach(known)).endpoints).sort()
  }
  await host.attach(aContainer('mover'))
  await host.call('connect', 'other', 'mover')
  await host.call('disconnect', 'bridge', 'mover', false)
  assert.deepEqual(await again(), ['other'])
  await host.call('connect', 'bridge', 'mover')
  assert.deepEqual(await again(), ['bridge', 'other'])
  await host.call('detach', aContainer('mover').id)
  await host.call('container', aContainer('mover', { mode: 'other' }), false)
  await host.call('disconnect', 'other', 'mover', false)
  await assert.rejects(host.call('disconnect', 'other', 'mover', false), /is not connected/)
  assert.deepEqual(await again(), [])
  await host.call('detach', aContainer('mover').id)
  await host.call('remove', 'other')
})

test('names that are not ours are asked of the container\'s servers; servers that are dead or absent delay no local name', async () => {
  const upstream = host.serveIn(client, process.execPath, '-e', `
    const { decode, encode } = require('${process.cwd()}/node_modules/dns-packet')
    const answer = m => { const q = decode(m); return encode({ type: 'response', id: q.id, questions: q.questions, answers: [{ type: 'A', name: q.questions[0].name, data: '9.8.7.6' }] }) }
    const s = require('dgram').createSocket('udp4'); s.on('message', (m, p) => s.send(answer(m), p.port, p.address)); s.bind(5300)`)
  await host.call('create', { Name: 'names' })
  const asking = await host.attach(aContainer('asking', { mode: 'names', dns: ['10.99.0.2:5300'] }))
  const dead = await host.attach(aContainer('dead', { mode: 'names', dns: ['10.99.0.250', '10.99.0.251'] }))
  const none = await host.attach(aContainer('none', { mode: 'names' }))
  const lookup = (sandbox: ContainerSandbox, name: string): string => inside(sandbox, 'sh', '-c', `timeout 1.9 busybox nslookup -type=a ${name} 127.0.0.11 2>&1 || echo ended $?`)
  await eventually(() => assert.match(lookup(asking, 'example.org'), /9\.8\.7\.6/))
  assert.match(lookup(dead, 'asking'), /172\.18\.0\.2/)
  assert.match(lookup(dead, 'example.org'), /ended (124|143)|SERVFAIL/, 'nobody answers, in time or when ARP gives up')
  assert.match(lookup(none, 'example.org'), /SERVFAIL/, 'refused at once')
  await host.call('create', { Name: 'inner', Internal: true })
  const enclosed = await host.attach(aContainer('enclosed', { mode: 'inner', dns: ['10.99.0.2:5300'] }))
  assert.match(lookup(enclosed, 'example.org'), /SERVFAIL/, 'from internal networks nothing is asked outside')
  assert.match(lookup(enclosed, 'enclosed'), /Address: 172\./)
  await host.call('detach', aContainer('enclosed').id)
  await host.call('remove', 'inner')
  upstream.kill('SIGKILL')
  assert.match(lookup(asking, 'example.org'), /SERVFAIL/, 'a closed port is noticed at once')
  for (const name of ['asking', 'dead', 'none']) await host.call('detach', aContainer(name).id)
  await host.call('remove', 'names')
})

test('containers of a network without icc reach each other by published ports only, with and without br_netfilter', async () => {
  for (const netfilter of ['0', '1']) {
    host.exec('sysctl', '-qw', `net.bridge.bridge-nf-call-iptables=${netfilter}`)
    await host.call('create', { Name: 'apart', Options: { 'com.docker.network.bridge.enable_icc': 'false' } })
    const web = await host.attach(aContainer('web', { mode: 'apart', portBindings: { '80/tcp': [{ HostPort: '8083' }] } }))
    serveWeb('web', web)
    const other = await host.attach(aContainer('other', { mode: 'apart' }))
    assert.equal(await eventually(() => fetchInside(other, 'http://10.99.0.1:8083')), 'web')
    assert.equal(fetchInside(web, 'http://10.99.0.1:8083'), 'web')
    assert.equal(fetchFrom(client, 'http://10.99.0.1:8083'), 'web')
    assert.throws(() => inside(other, 'curl', '-sS', '--max-time', '1', 'http://172.18.0.2'))
    for (const name of ['web', 'other']) await host.call('detach', aContainer(name).id)
    await host.call('remove', 'apart')
  }
})

test('a crash of the daemon leaves traffic alone; the next one takes over names and ports and clears the rest', async () => {
  await host.call('create', { Name: 'kept' })
  const container = aContainer('stays', { mode: 'kept', portBindings: { '80/tcp': [{ HostPort: '8090' }] } })
  const stays = await host.attach(container)
  await host.attach(aContainer('gone', { mode: 'kept', portBindings: { '80/tcp': [{ HostPort: '8091' }] } }))
  serveWeb('stays', stays)
  assert.equal(await eventually(() => fetchFrom(client, 'http://10.99.0.1:8090')), 'stays')
  await host.killDaemon()
  assert.equal(fetchFrom(client, 'http://10.99.0.1:8090'), 'stays')
  await host.start()
  await host.call('restore', [{ container, sandbox: stays }])
  assert.equal(fetchFrom(client, 'http://10.99.0.1:8090'), 'stays')
  assert.match(await eventually(() => inside(stays, 'busybox', 'nslookup', 'stays', '127.0.0.11')), /172\.18\.0\.2/)
  assert.deepEqual(host.namespaces(), [container.id])
  await assert.rejects(host.attach(aContainer('second', { portBindings: { '80/tcp': [{ HostPort: '8090' }] } })), /already allocated/)
  const third = await host.attach(aContainer('third', { mode: 'kept' }))
  assert.notEqual(third.endpoints['kept']?.IPAddress, stays.endpoints['kept']?.IPAddress)
  await host.call('detach', container.id)
  await host.call('detach', aContainer('third').id)
  await host.call('remove', 'kept')
  assert.deepEqual(host.links().filter(name => /^(shv|br-)/.test(name)), [])
  assert.deepEqual(host.namespaces(), [])
  assert.doesNotMatch(host.rules(), /809\d|br-/)
})

test('attaching and detaching takes milliseconds', async context => {
  const measure = async (title: string, container: NetworkedContainer): Promise<void> => {
    const [attach, detach] = await host.call<{ min: number; median: number }[]>('measure', container, 20)
    context.diagnostic(`${title}: attach min ${attach?.min.toFixed(1)} median ${attach?.median.toFixed(1)} ms, detach min ${detach?.min.toFixed(1)} median ${detach?.median.toFixed(1)} ms`)
    assert.ok((attach?.min ?? 1000) < 50)
  }
  await measure('default bridge with a published port', aContainer('fast', { portBindings: { '80/tcp': [{ HostPort: '8095' }] } }))
  await host.call('create', { Name: 'named' })
  await measure('user-defined network with resolver', aContainer('fast', { mode: 'named' }))
  await host.call('remove', 'named')
})
