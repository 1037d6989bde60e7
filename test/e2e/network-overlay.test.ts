import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ContainerSandbox } from '../../agent/engine/network/container-networks.ts'
import type { OverlayEndpoint, OverlayService, OverlayTable } from '../../src/api/engine/overlay.ts'
import { aContainer, eventually, inside, NetworkHost, run } from './network-host.ts'

const UNDERLAY = ['10.98.0.1', '10.98.0.2'] as const
const lan = `network-lan-${process.pid}`
let one: NetworkHost
let two: NetworkHost
let revision = 1

/** Three machines on one switch: two hosts and a client at 10.98.0.100. */
before(async () => {
  run('ip', 'netns', 'add', lan)
  run('ip', '-n', lan, 'link', 'add', 'sw0', 'type', 'bridge')
  run('ip', '-n', lan, 'addr', 'add', '10.98.0.100/24', 'dev', 'sw0')
  run('ip', '-n', lan, 'link', 'set', 'sw0', 'up')
  one = new NetworkHost('one', { dnsUpstreams: [] })
  two = new NetworkHost('two', { dnsUpstreams: [] })
  for (const [at, host] of [one, two].entries()) {
    run('ip', 'link', 'add', 'up0', 'netns', host.netns, 'type', 'veth', 'peer', 'name', `port${at}`, 'netns', lan)
    run('ip', '-n', host.netns, 'addr', 'add', `${UNDERLAY[at]}/24`, 'dev', 'up0')
    run('ip', '-n', host.netns, 'link', 'set', 'up0', 'up')
    run('ip', '-n', lan, 'link', 'set', `port${at}`, 'master', 'sw0', 'up')
    await host.start()
    await host.call('restore', [])
  }
})
after(async () => {
  await one[Symbol.asyncDispose]()
  await two[Symbol.asyncDispose]()
  run('ip', 'netns', 'del', lan)
})

const endpoint = (address: string, hostAt: 0 | 1, name: string, ready = true): OverlayEndpoint =>
  ({ taskId: `task-${name}`, serviceId: 'web-id', address, nodeId: `node${hostAt}`, dataAddress: UNDERLAY[hostAt], names: [name], ready })
const service = (overrides: Partial<OverlayService> = {}): OverlayService =>
  ({ serviceId: 'web-id', name: 'web', virtualIp: '10.0.1.2', names: ['web', 'alias'], backends: [], ports: [], ...overrides })

function table(hostAt: 0 | 1, overrides: Partial<OverlayTable> = {}): OverlayTable {
  const subnet = overrides.subnet ?? '10.0.1.0/24'
  const base = subnet.slice(0, subnet.lastIndexOf('.'))
  return {
    networkId: 'ov1', revision: revision++, name: 'ov', vni: 4097, subnet, gateway: `${base}.1`, mtu: 0, internal: false, ingress: false, attachable: false, encrypted: false,
    vxlanPort: 4789, nodeAddress: `${base}.${250 + hostAt}/24`, endpoints: [], services: [], labels: {}, options: {},
    nodes: [{ nodeId: `node${1 - hostAt}`, address: `${base}.${250 + 1 - hostAt}`, dataAddress: UNDERLAY[1 - hostAt] ?? '' }], ...overrides,
  }
}
async function applyBoth(overrides: Partial<OverlayTable>): Promise<void> {
  await one.call('applyOverlay', table(0, overrides))
  await two.call('applyOverlay', table(1, overrides))
}
const onOverlay = (name: string, address: string, network = 'ov', overrides = {}): ReturnType<typeof aContainer> =>
  aContainer(name, { mode: network, endpoints: { [network]: { IPAMConfig: { IPv4Address: address } } }, ...overrides })

/** Answers "<name> <peer address>" over HTTP and UDP. */
function serveName(host: NetworkHost, sandbox: ContainerSandbox, name: string): void {
  const script = `
    require('http').createServer((q, r) => { r.setHeader('connection', 'close'); r.end('${name} ' + q.socket.remoteAddress.replace('::ffff:', '')) }).listen(80)
    require('net').createServer(c => { c.on('error', () => {}); c.on('data', d => c.write('${name} ' + d)) }).listen(81)
    const s = require('dgram').createSocket('udp4'); s.on('message', (m, p) => s.send('${name} ' + p.address + '\\n', p.port, p.address)); s.bind(82)`
  host.serve(sandbox, process.execPath, '-e', script)
}
const get = (sandbox: ContainerSandbox, url: string): string => inside(sandbox, 'curl', '-sS', '--connect-timeout', '3', '--max-time', '10', url)
const getFrom = (netns: string, url: string): string => run('ip', 'netns', 'exec', netns, 'curl', '-sS', '--connect-timeout', '3', '--max-time', '10', url)
const lookup = (sandbox: ContainerSandbox, name: string): string => inside(sandbox, 'busybox', 'nslookup', name, '127.0.0.11')
const udp = (sandbox: ContainerSandbox, to: string): string => inside(sandbox, 'bash', '-c', `exec 3<>/dev/udp/${to}; echo hi >&3; timeout 5 head -n1 <&3`)
const namesOf = (answers: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const answer of answers) counts[answer.split(' ')[0] ?? ''] = (counts[answer.split(' ')[0] ?? ''] ?? 0) + 1
  return counts
}

test('containers of two hosts share an overlay with names, a balanced virtual IP, hairpin, and a way out', async () => {
  const endpoints = [endpoint('10.0.1.11', 0, 'web.1'), endpoint('10.0.1.12', 1, 'web.2'), endpoint('10.0.1.20', 0, 'client.1'), endpoint('10.0.1.13', 1, 'web.3', false)]
  await applyBoth({ endpoints, services: [service({ backends: ['10.0.1.11', '10.0.1.12'] }), service({ serviceId: 'rr', name: 'rr', names: ['rr'], virtualIp: '', backends: ['10.0.1.11', '10.0.1.12'] }), service({ serviceId: 'void', name: 'void', names: ['void'], virtualIp: '10.0.1.3' })] })
  const web1 = await one.attach(onOverlay('web1', '10.0.1.11'))
  const web2 = await two.attach(onOverlay('web2', '10.0.1.12', 'ov', { portBindings: { '80/tcp': [{ HostPort: '9090' }] } }))
  const client = await one.attach(onOverlay('client', '10.0.1.20'))
  serveName(one, web1, 'web1')
  serveName(two, web2, 'web2')
  assert.equal(await eventually(() => get(client, 'http://10.0.1.12')), 'web2 10.0.1.20')
  assert.equal(await eventually(() => get(client, 'http://10.0.1.11')), 'web1 10.0.1.20')
  assert.match(inside(client, 'ip', 'link', 'show', 'eth0'), /mtu 1450/)
  assert.equal(getFrom(lan, `http://${UNDERLAY[1]}:9090`), 'web2 10.98.0.100', 'a host-mode port keeps the address of its caller')
  const answers = Array.from({ length: 10 }, () => get(client, 'http://10.0.1.2'))
  assert.deepEqual(namesOf(answers), { web1: 5, web2: 5 })
  assert.ok(answers.every(answer => answer.endsWith(' 10.0.1.20')), 'the peer is the client itself')
  assert.deepEqual(namesOf(Array.from({ length: 4 }, () => udp(client, '10.0.1.2/82'))), { web1: 2, web2: 2 })
  assert.deepEqual(namesOf(Array.from({ length: 4 }, () => get(web1, 'http://10.0.1.2'))), { web1: 2, web2: 2 }, 'a backend may be sent its own call')
  assert.throws(() => get(client, 'http://10.0.1.3'), /refused|Couldn't connect/i, 'a service without backends refuses at once')
  assert.match(lookup(client, 'web'), /Address.*10\.0\.1\.2\n/)
  assert.match(lookup(client, 'Alias'), /10\.0\.1\.2\n/)
  for (const name of ['tasks.web', 'rr']) assert.match(lookup(client, name), /10\.0\.1\.1[12]\n[^]*10\.0\.1\.1[12]\n/, name)
  assert.match(lookup(client, 'web.2'), /10\.0\.1\.12/)
  assert.match(lookup(client, '10.0.1.12'), /web\.2\.ov/)
  assert.throws(() => lookup(client, 'web.3'), 'not ready')
  assert.match(inside(client, 'busybox', 'ping', '-c1', '-W2', '10.98.0.100'), /1 packets received/)
  assert.deepEqual(Object.keys(client.endpoints), ['ov'])
  const verbose = await one.call<{ Services: Record<string, { VIP: string; Tasks: { EndpointIP: string }[] }> }>('inspect', 'ov', { verbose: true })
  assert.deepEqual([verbose.Services['web']?.VIP, verbose.Services['web']?.Tasks.length], ['10.0.1.2', 4])
})

test('an update moves new connections, keeps established ones of a backend that winds down, and ends those of one that is gone', async () => {
  const client = { netnsPath: join(one.folder, 'run', 'netns', aContainer('client').id) } as ContainerSandbox
  const probe = one.serveText(client, process.execPath, '-e', `
    const c = require('net').connect(81, '10.0.1.2'); c.on('error', e => console.log(e.code)); c.on('close', () => console.log('closed'))
    c.on('data', d => console.log(String(d).trim())); setInterval(() => c.write('x'), 100)`)
  await probe.until(/web\d x/)
  const bound = /web1/.test(probe.text()) ? '10.0.1.11' : '10.0.1.12'
  const other = bound === '10.0.1.11' ? '10.0.1.12' : '10.0.1.11'
  const both = [endpoint('10.0.1.11', 0, 'web.1', bound !== '10.0.1.11'), endpoint('10.0.1.12', 1, 'web.2', bound !== '10.0.1.12'), endpoint('10.0.1.20', 0, 'client.1')]
  await applyBoth({ endpoints: both, services: [service({ backends: [other] })] })
  const kept = bound === '10.0.1.11' ? 'web2' : 'web1'
  assert.deepEqual(namesOf(Array.from({ length: 4 }, () => get(client, 'http://10.0.1.2'))), { [kept]: 4 })
  const seen = probe.text().length
  await probe.until(/web\d x/, seen)
  assert.doesNotMatch(probe.text(), /ECONN|closed/)
  await applyBoth({ endpoints: both.filter(each => each.address !== bound), services: [service({ backends: [other] })] })
  await probe.until(/ECONNRESET|closed/)
  const stale = { ...table(0), revision: 1, services: [] }
  await one.call('applyOverlay', stale)
  assert.equal(namesOf([get(client, 'http://10.0.1.2')])[kept], 1, 'an older revision is ignored')
})

test('the daemon may crash: traffic, virtual IPs and names go on, and the next one knows the tables', async () => {
  const client = { netnsPath: join(one.folder, 'run', 'netns', aContainer('client').id) } as ContainerSandbox
  await one.killDaemon()
  assert.match(get(client, 'http://10.0.1.2'), /^web/)
  await one.start()
  await one.call('restore', [{ container: onOverlay('web1', '10.0.1.11'), sandbox: {} }, { container: onOverlay('client', '10.0.1.20'), sandbox: {} }])
  assert.match(get(client, 'http://10.0.1.2'), /^web/)
  assert.match(await eventually(() => lookup(client, 'web')), /10\.0\.1\.2\n/)
  assert.equal((await one.call<[string, number][]>('overlayRevisions')).length, 1)
  await assert.rejects(one.call('removeOverlay', 'ov1'), /active endpoints/)
})

test('a published port of any host reaches every backend, from outside and from the host itself', async () => {
  const ingress = { networkId: 'ing1', name: 'ingress', vni: 4096, subnet: '10.0.0.0/24', ingress: true }
  const endpoints = [endpoint('10.0.0.11', 0, 'site.1'), endpoint('10.0.0.12', 1, 'site.2')]
  const ports = [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }, { protocol: 'udp', targetPort: 82, publishedPort: 8082 }] as const
  await applyBoth({ ...ingress, endpoints, services: [service({ virtualIp: '10.0.0.2', backends: ['10.0.0.11', '10.0.0.12'], ports })] })
  const site1 = await one.attach(onOverlay('site1', '10.0.0.11', 'ingress'))
  const site2 = await two.attach(onOverlay('site2', '10.0.0.12', 'ingress'))
  serveName(one, site1, 'site1')
  serveName(two, site2, 'site2')
  await eventually(() => get(site1, 'http://127.0.0.1'))
  await eventually(() => get(site2, 'http://127.0.0.1'))
  assert.throws(() => lookup(site1, 'web'), 'the ingress network gives no names')
  for (const host of UNDERLAY) assert.deepEqual(namesOf(Array.from({ length: 6 }, () => getFrom(lan, `http://${host}:8080`))), { site1: 3, site2: 3 }, host)
  for (const [at, host] of [one, two].entries()) {
    assert.deepEqual(namesOf(Array.from({ length: 4 }, () => getFrom(host.netns, 'http://127.0.0.1:8080'))), { site1: 2, site2: 2 })
    assert.deepEqual(namesOf(Array.from({ length: 4 }, () => getFrom(host.netns, `http://${UNDERLAY[at]}:8080`))), { site1: 2, site2: 2 })
  }
  assert.match(get(site1, `http://${UNDERLAY[0]}:8080`), /^site/, 'from a container through its own host')
  assert.match(run('ip', 'netns', 'exec', lan, 'bash', '-c', `exec 3<>/dev/udp/${UNDERLAY[1]}/8082; echo hi >&3; timeout 5 head -n1 <&3`), /^site/)
  await assert.rejects(two.call('remove', 'docker_gwbridge'), /active endpoints/)
  assert.deepEqual(await two.call('prune', {}), { NetworksDeleted: [] })
  await two.killDaemon()
  assert.match(getFrom(lan, `http://${UNDERLAY[1]}:8080`), /^site/)
  await two.start()
  await two.call('restore', [{ container: onOverlay('web2', '10.0.1.12'), sandbox: {} }, { container: onOverlay('site2', '10.0.0.12', 'ingress'), sandbox: {} }])
  assert.deepEqual(namesOf(Array.from({ length: 4 }, () => getFrom(lan, `http://${UNDERLAY[1]}:8080`))), { site1: 2, site2: 2 })
  await applyBoth({ ...ingress, endpoints, services: [service({ virtualIp: '10.0.0.2', backends: ['10.0.0.11', '10.0.0.12'], ports: [] })] })
  assert.throws(() => getFrom(lan, `http://${UNDERLAY[0]}:8080`))
})

/** Opens connections at once from the client's machine; what each was answered, or why not. */
function manyFrom(netns: string, options: { readonly port: number; readonly rounds: number; readonly hosts: readonly string[]; readonly firstPort?: number }): string[] {
  const script = `
    const { port, rounds, hosts, firstPort } = ${JSON.stringify(options)}
    const one = (host, at) => new Promise(done => {
      const c = require('net').connect({ host, port, ...(firstPort === undefined ? {} : { localPort: firstPort + at }) })
      let text = ''
      c.setTimeout(8000, () => { c.destroy(); done('timeout ' + host) })
      c.on('error', e => done(e.code + ' ' + host)); c.on('data', d => { text += d }); c.on('end', () => done(text.split('\\r\\n\\r\\n')[1] ?? 'cut'))
      c.write('GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')
    })
    Promise.all(Array.from({ length: rounds }, (_, at) => hosts.map(host => one(host, at))).flat()).then(all => console.log(all.join('\\n')))`
  return run('ip', 'netns', 'exec', netns, process.execPath, '-e', script).trim().split('\n')
}
const ask = (netns: string, to: string): string => run('ip', 'netns', 'exec', netns, 'bash', '-c', `exec 3<>/dev/udp/${to}; echo hi >&3; timeout 5 head -n1 <&3`).trim()

test('a container sees the client of a published port with its own address, through every host, over TCP and UDP', async () => {
  const ingress = { networkId: 'ing1', name: 'ingress', vni: 4096, subnet: '10.0.0.0/24', ingress: true }
  const endpoints = [endpoint('10.0.0.11', 0, 'site.1'), endpoint('10.0.0.12', 1, 'site.2')]
  const ports = [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }, { protocol: 'udp', targetPort: 82, publishedPort: 8082 }] as const
  const backends = ['10.0.0.11', '10.0.0.12']
  await applyBoth({ ...ingress, endpoints, services: [service({ virtualIp: '10.0.0.2', backends, ports })] })
  const site1 = { netnsPath: join(one.folder, 'run', 'netns', aContainer('site1').id) } as ContainerSandbox
  const all = { 'site1 10.98.0.100': 2, 'site2 10.98.0.100': 2 }
  const count = (answers: readonly string[]): Record<string, number> => Object.fromEntries([...new Set(answers)].sort().map(each => [each, answers.filter(other => other === each).length]))
  for (const host of UNDERLAY) {
    assert.deepEqual(count(Array.from({ length: 4 }, () => getFrom(lan, `http://${host}:8080`))), all, host)
    assert.deepEqual(count(Array.from({ length: 4 }, () => ask(lan, `${host}/8082`))), all, `${host} over UDP`)
  }
  for (const [at, host] of [one, two].entries()) {
    for (const answers of [Array.from({ length: 2 }, () => getFrom(host.netns, `http://${UNDERLAY[at]}:8080`)), Array.from({ length: 2 }, () => ask(host.netns, `${UNDERLAY[at]}/8082`))]) {
      assert.deepEqual(count(answers), { [`site1 ${UNDERLAY[at]}`]: 1, [`site2 ${UNDERLAY[at]}`]: 1 }, 'the host itself')
    }
    for (const answers of [Array.from({ length: 2 }, () => getFrom(host.netns, 'http://127.0.0.1:8080')), Array.from({ length: 2 }, () => ask(host.netns, '127.0.0.1/8082'))]) {
      assert.deepEqual(count(answers), { [`site1 10.0.0.${250 + at}`]: 1, [`site2 10.0.0.${250 + at}`]: 1 }, 'loopback is hidden behind the ingress address')
    }
    assert.deepEqual(namesOf(Array.from({ length: 4 }, () => get(site1, `http://${UNDERLAY[at]}:8080`))), { site1: 2, site2: 2 }, 'a backend through a published port, its own too')
    assert.deepEqual(namesOf(Array.from({ length: 4 }, () => udp(site1, `${UNDERLAY[at]}/8082`))), { site1: 2, site2: 2 })
  }
  assert.deepEqual(namesOf(Array.from({ length: 2 }, () => get(site1, 'http://10.0.0.2'))), { site1: 1, site2: 1 }, 'the virtual IP')
  assert.match(inside(site1, 'busybox', 'ping', '-c1', '-W2', '10.98.0.100'), /1 packets received/)
  assert.deepEqual(count(manyFrom(lan, { port: 8080, rounds: 200, hosts: UNDERLAY })), { 'site1 10.98.0.100': 200, 'site2 10.98.0.100': 200 })
  const clashing = manyFrom(lan, { port: 8080, rounds: 100, hosts: UNDERLAY, firstPort: 20_000 })
  assert.deepEqual(clashing.map(answer => answer.slice(6)), Array.from({ length: 200 }, () => '10.98.0.100'), 'one source port to both hosts at once')
})

test('replies find their way where reverse paths are checked, when hosts come and go, and after a container flushed its rules', async () => {
  const site1 = { netnsPath: join(one.folder, 'run', 'netns', aContainer('site1').id) } as ContainerSandbox
  inside(site1, 'sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1')
  const seen = (): string[] => UNDERLAY.flatMap(host => Array.from({ length: 2 }, () => getFrom(lan, `http://${host}:8080`))).sort()
  const expected = ['site1 10.98.0.100', 'site1 10.98.0.100', 'site2 10.98.0.100', 'site2 10.98.0.100']
  assert.deepEqual(seen(), expected)
  inside(site1, 'nft', 'flush', 'ruleset')
  const ingress = { networkId: 'ing1', name: 'ingress', vni: 4096, subnet: '10.0.0.0/24', ingress: true }
  const endpoints = [endpoint('10.0.0.11', 0, 'site.1'), endpoint('10.0.0.12', 1, 'site.2')]
  const ports = [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }, { protocol: 'udp', targetPort: 82, publishedPort: 8082 }] as const
  const services = [service({ virtualIp: '10.0.0.2', backends: ['10.0.0.11', '10.0.0.12'], ports })]
  const joined = { nodeId: 'node9', address: '10.0.0.249', dataAddress: '10.98.0.9' }
  const known = table(0, ingress).nodes
  await one.call('applyOverlay', table(0, { ...ingress, endpoints, services, nodes: [...known, joined] }))
  assert.match(inside(site1, 'ip', 'rule'), /fwmark 0x534800fa lookup/)
  assert.match(inside(site1, 'ip', 'route', 'show', 'table', 'all'), /default via 10\.0\.0\.249 dev eth0 table/)
  assert.deepEqual(seen(), expected)
  await one.killDaemon()
  assert.deepEqual(seen(), expected)
  await one.start()
  await one.call('restore', [{ container: onOverlay('web1', '10.0.1.11'), sandbox: {} }, { container: onOverlay('client', '10.0.1.20'), sandbox: {} }, { container: onOverlay('site1', '10.0.0.11', 'ingress'), sandbox: {} }])
  assert.deepEqual(seen(), expected)
  await one.call('applyOverlay', table(0, { ...ingress, endpoints, services, nodes: known }))
  assert.doesNotMatch(inside(site1, 'ip', 'rule') + inside(site1, 'ip', 'route', 'show', 'table', 'all') + inside(site1, 'nft', 'list', 'ruleset'), /0x534800fa|10\.0\.0\.249|02:42:0a:00:00:f9/)
  assert.equal(inside(site1, 'ip', 'rule').match(/fwmark/g)?.length, 2, 'no rule twice')
  assert.deepEqual(seen(), expected)
  assert.deepEqual(UNDERLAY.map(host => ask(lan, `${host}/8082`).slice(6)), ['10.98.0.100', '10.98.0.100'])
})

test('a UDP port that is published in host mode too hides the client in the mesh, and both ways work', async () => {
  const ingress = { networkId: 'ing1', name: 'ingress', vni: 4096, subnet: '10.0.0.0/24', ingress: true }
  const endpoints = [endpoint('10.0.0.11', 0, 'site.1'), endpoint('10.0.0.12', 1, 'site.2'), endpoint('10.0.0.13', 1, 'both.1')]
  const ports = [{ protocol: 'udp', targetPort: 82, publishedPort: 8083 }, { protocol: 'udp', targetPort: 82, publishedPort: 8084, publishMode: 'host' }] as const
  await applyBoth({ ...ingress, endpoints, services: [service({ virtualIp: '10.0.0.2', backends: ['10.0.0.13'], ports })] })
  const both = await two.attach(onOverlay('both', '10.0.0.13', 'ingress', { portBindings: { '82/udp': [{ HostPort: '8084' }] } }))
  serveName(two, both, 'both')
  assert.equal(await eventually(() => ask(lan, `${UNDERLAY[1]}/8084`)), 'both 10.98.0.100')
  assert.deepEqual(UNDERLAY.map(host => ask(lan, `${host}/8083`)), ['both 10.0.0.250', 'both 10.0.0.251'])
  await two.call('detach', aContainer('both').id)
})

test('an internal overlay has no way out; encryption is refused; taking all down leaves nothing', async () => {
  await one.call('applyOverlay', table(0, { networkId: 'int', name: 'int', vni: 4100, subnet: '10.0.5.0/24', internal: true }))
  const inner = await one.attach(onOverlay('inner', '10.0.5.9', 'int'))
  assert.throws(() => inside(inner, 'busybox', 'ping', '-c1', '-W1', '10.98.0.100'))
  await assert.rejects(one.call('applyOverlay', table(0, { networkId: 'enc', name: 'enc', encrypted: true })), /asks for encryption/)
  await assert.rejects(one.attach(onOverlay('late', '', 'int')), /gives its addresses cluster-wide/)
  for (const [host, names] of [[one, ['web1', 'client', 'site1', 'inner']], [two, ['web2', 'site2']]] as const) {
    for (const name of names) await host.call('detach', aContainer(name).id)
    for (const [id] of await host.call<[string, number][]>('overlayRevisions')) await host.call('removeOverlay', id)
    assert.deepEqual(host.namespaces(), [])
    assert.deepEqual(host.links().filter(name => /^(shv|vx|ov)/.test(name)), [])
    assert.doesNotMatch(host.rules(), /8080|8082/)
    assert.deepEqual((await host.call<string[]>('logs')).filter(line => /^(warn|error)/.test(line)), [])
  }
})
