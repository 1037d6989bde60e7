/** Garbage on every port and socket, wrong tokens and certificates, malformed images, damaged state: a clear error each, and nothing crashes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { hostileTars } from '../support/hostile-tars.ts'
import { Lab, eventually, run, type Output } from '../support/lab.ts'

const [MANAGER, WORKER, OUTSIDER] = [1, 2, 3] as const
/** For what takes milliseconds on an idle machine. */
const SOON_MS = 20_000
const MEMORY_GROWTH_KIB_MAX = 300 * 1024
let lab: Lab
let tokens: { readonly worker: string; readonly manager: string }
before(async () => {
  lab = await Lab.up('shoalhostile', 3)
  await lab.ok(MANAGER, 'swarm', 'init', '--advertise-addr', '10.99.0.1')
  tokens = { worker: await lab.ok(MANAGER, 'swarm', 'join-token', '-q', 'worker'), manager: await lab.ok(MANAGER, 'swarm', 'join-token', '-q', 'manager') }
  await lab.ok(WORKER, 'swarm', 'join', '--token', tokens.worker, '10.99.0.1:2377')
})
after(async () => { await lab?.[Symbol.asyncDispose]() })

interface Answer { readonly status: number; readonly text: string }
/** One request to a host's API; status 0: the connection was closed without an answer. */
async function call(host: number, method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise(resolve => {
    const sent = request({ socketPath: lab.socket(host), method, path, timeout: SOON_MS, headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers } }, response => {
      let text = ''
      response.on('data', (chunk: Buffer) => { text += chunk.toString() })
      response.on('close', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.on('timeout', () => { sent.destroy(); resolve({ status: -1, text: `no answer within ${SOON_MS} ms` }) })
    sent.on('error', () => resolve({ status: 0, text: '' }))
    sent.end(typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body))
  })
}

/** Sends bytes to a socket, waits for what comes and for the end. */
async function raw(open: () => Socket, bytes: string | Uint8Array, withinMs = SOON_MS): Promise<{ readonly text: string; readonly closed: boolean }> {
  return new Promise(resolve => {
    const socket = open()
    let text = ''
    const timer = setTimeout(() => { socket.destroy(); resolve({ text, closed: false }) }, withinMs)
    socket.on('data', chunk => { text += String(chunk) })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => { clearTimeout(timer); resolve({ text, closed: true }) })
    socket.write(bytes)
  })
}

const memoryKib = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
async function quickly(host: number): Promise<void> {
  const startMs = performance.now()
  await lab.ok(host, 'ps')
  assert(performance.now() - startMs < 3000, `docker ps took ${performance.now() - startMs} ms`)
}
function assertRefused(answer: Answer, what: string): void {
  if (answer.status === 0) return
  assert(answer.status >= 400 && answer.status < 500 || answer.status === 503 || answer.status === 501, `${what}: ${answer.status} ${answer.text}`)
  assert.equal(typeof (JSON.parse(answer.text) as { message?: unknown }).message, 'string', what)
}
function assertTold(output: Output, message: RegExp, what: string): void {
  assert.notEqual(output.status, 0, what)
  assert.match(output.stdout + output.stderr, message, what)
  assert.doesNotMatch(output.stdout + output.stderr, /\n\s+at |TypeError|is not a function|Cannot read prop/, what)
}

test('the API: bytes that are no request, requests that make no sense, and too much of everything', async () => {
  const pid = lab.pid(OUTSIDER, 'daemon')
  const before = memoryKib(pid)
  const slow = connect(lab.socket(OUTSIDER))
  const slowClosed = new Promise<number>(resolve => { const startMs = performance.now(); slow.on('error', () => {}).on('close', () => resolve(performance.now() - startMs)).resume() })
  slow.write('GET /_ping HTT')
  const api = (): Socket => connect(lab.socket(OUTSIDER))
  for (const bytes of [randomBytes(5000), '\u0016\u0003\u0001\u0002\u0000\u0001', 'GET / HTTP/9.9\r\n\r\n', 'BREW /pot HTTP/1.1\r\n\r\n', `GET /_ping HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(400_000)}\r\n\r\n`]) {
    const { text, closed } = await raw(api, bytes)
    assert(closed && (text === '' || /^HTTP\/1\.1 4\d\d .*\{"message":".+"\}\n$/s.test(text)), `${String(bytes).slice(0, 20)} -> ${text.slice(0, 200)}`)
  }
  const { body: HUGE } = { body: Buffer.alloc(9 * 1024 * 1024, 0x20) }
  const cases: readonly (readonly [string, string, unknown])[] = [
    ...['{', '[]', '"x"', '{"Image":5}', '{"Image":"\ud800"}', '['.repeat(100_000), Buffer.from([0x7b, 0xff, 0xfe])].flatMap(body => ['/containers/create', '/networks/create', '/swarm/join'].map(path => ['POST', path, body] as const)),
    ...([['Memory', -5], ['Memory', 1e308], ['Memory', 'x'], ['NanoCpus', -1], ['CpuShares', 1e300], ['PidsLimit', 1e99], ['Binds', [5]], ['NetworkMode', '../x'], ['RestartPolicy', { Name: 'sometimes' }], ['PortBindings', { 'x/y': [] }], ['Ulimits', 5], ['CapAdd', { a: 1 }]] as const)
      .map(([field, value]) => ['POST', '/containers/create', { Image: 'busybox', HostConfig: { [field]: value } }] as const),
    ['POST', '/containers/create?name=..%2F..%2Fetc', { Image: 'busybox' }], ['POST', '/containers/create?name=%00', { Image: 'busybox' }], ['GET', '/containers/..%2F..%2Fetc%2Fpasswd/json', undefined], ['GET', '/%zz', undefined],
    ['POST', '/volumes/create', { Name: '../../x' }], ['POST', '/volumes/create', { Name: 'a'.repeat(5000) }], ['DELETE', '/volumes/..%2f..%2fx', undefined], ['POST', '/networks/create', { Name: 'n', IPAM: { Config: [{ Subnet: '999.0.0.0/99' }] } }],
    ['POST', '/swarm/init', { ListenAddr: 'nowhere:x' }], ['POST', '/swarm/join', { RemoteAddrs: [], JoinToken: 5 }], ['GET', '/containers/json?limit=x', undefined], ['GET', '/containers/json?filters=%7B', undefined], ['POST', '/images/create?fromSrc=-&repo=..%2Fx', undefined], ['POST', '/containers/create', HUGE],
  ]
  for (const [method, path, body] of cases) assertRefused(await call(OUTSIDER, method, path, body), `${method} ${path} ${JSON.stringify(body)?.slice(0, 80)}`)
  for (const [field, value] of [['Name', '../x'], ['Name', 5], ['TaskTemplate', []], ['TaskTemplate', { ContainerSpec: { Image: '::' } }], ['TaskTemplate', { ContainerSpec: { Image: 'x' }, Resources: { Limits: { NanoCPUs: -1 } } }], ['Mode', { Replicated: { Replicas: -1 } }], ['Mode', { Replicated: { Replicas: 1e300 } }], ['EndpointSpec', { Ports: [{ PublishedPort: 1e9 }] }]] as const) {
    assertRefused(await call(MANAGER, 'POST', '/services/create', { Name: 's', TaskTemplate: { ContainerSpec: { Image: 'busybox' } }, [field]: value }), `service ${field} ${JSON.stringify(value)}`)
  }
  for (const [path, body] of [['/secrets/create', { Name: '../x', Data: '' }], ['/secrets/create', { Name: 's', Data: 5 }], ['/configs/create', { Name: 's', Data: Buffer.alloc(1_100_000).toString('base64') }], ['/nodes/x/update?version=-1', {}], ['/swarm/update?version=x', {}]] as const) assertRefused(await call(MANAGER, 'POST', path, body), path)
  const id = await lab.ok(OUTSIDER, 'run', '-d', '--name', 'cat', '-i', 'busybox', 'cat')
  await Promise.all(Array.from({ length: 20 }, async (_, i) => raw(api, `POST /containers/${id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n${i % 2 === 0 ? '' : 'x'.repeat(1000)}`, 100)))
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 100 }, async (_, i) => raw(api, i % 2 === 0 ? 'GET /containers/json HT' : 'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{', 20)))
  await quickly(OUTSIDER)
  await lab.ok(OUTSIDER, 'rm', '-f', 'cat')
  assert.equal(lab.pid(OUTSIDER, 'daemon'), pid)
  assert(memoryKib(pid) - before < MEMORY_GROWTH_KIB_MAX, `${before} KiB became ${memoryKib(pid)}`)
  assert(await slowClosed < 20_000)
})

test('the manager\'s port: each caller gets what it may, and no election comes of it', async () => {
  const elections = (): number => lab.log(MANAGER).match(/leads the cluster/g)?.length ?? 0
  const [pid, electionsBefore] = [lab.pid(MANAGER, 'manager'), elections()]
  assert(electionsBefore > 0)
  const caller = await lab.lab('exec', String(OUTSIDER), process.execPath, join(process.cwd(), 'dist/test/support/hostile-caller.js'), lab.folder)
  assert.equal(caller.status, 0, caller.stderr)
  const results = caller.stdout.trim().split('\n').map(line => JSON.parse(line) as { readonly caller: string; readonly rpc: string; readonly outcome: string })
  const wanted: Readonly<Record<string, RegExp>> = {
    'anonymous': /^unauthenticated no-certificate: this call needs a certificate of the cluster$/, 'worker': /^permission-denied not-allowed: node \w+ \(worker\) is not allowed to call this/, 'forged': /^permission-denied forwarding-refused: /,
    'stranger': /^unavailable rpc-not-connected: .*no connection/, 'malformed': /^(invalid-argument malformed-message: |permission-denied not-allowed: )/, 'foreign': /^failed-precondition raft-wrong-cluster: /, 'own-session': /^invalid-argument session-invalid: /, 'raw': /^closed$/,
  }
  assert(results.length > 80, `${results.length} calls`)
  for (const { caller: who, rpc, outcome } of results) assert.match(outcome, wanted[who] ?? /^$/, `${who} ${rpc}`)
  assert.equal(lab.pid(MANAGER, 'manager'), pid)
  assert.equal(elections(), electionsBefore, 'there was an election')
  assert.match(await lab.ok(MANAGER, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}'), /h1 Leader/)
})

test('sockets inside the host and its containers: random bytes, and containers go on', async () => {
  await lab.ok(WORKER, 'network', 'create', 'side')
  const id = await lab.ok(WORKER, 'run', '-d', '--name', 'steady', '--network', 'side', 'busybox', 'sh', '-c', 'while true; do echo tick; sleep 0.2; done')
  const pid = await lab.ok(WORKER, 'inspect', '-f', '{{.State.Pid}}', id)
  const sockets = (await run('find', [join(lab.folder, `h${WORKER}`, 'exec'), join(lab.folder, `h${MANAGER}`, 'exec'), '-type', 's'])).stdout.trim().split('\n')
  assert(sockets.some(path => path.includes(id.slice(0, 12))) && sockets.some(path => path.endsWith('manager.sock')), sockets.join(' '))
  for (const path of sockets) for (let i = 0; i < 5; i++) await raw(() => connect(path), randomBytes(1 + i * 3000), 100)
  await lab.ok(WORKER, 'exec', id, 'sh', '-c', 'for i in 1 2 3 4 5; do head -c 400 /dev/urandom | nc -w 1 127.0.0.11 53 >/dev/null 2>&1; done; true')
  await lab.lab('exec', String(OUTSIDER), process.execPath, '-e', `const s=require('dgram').createSocket('udp4');let n=0;for(let i=0;i<200;i++)s.send(require('crypto').randomBytes(1+i*6),4789,'10.99.0.2',()=>{if(++n===200)s.close()})`)
  await eventually('names are still resolved', SOON_MS, async () => ((await lab.docker(WORKER, 'exec', id, 'nslookup', 'steady', '127.0.0.11')).status === 0 ? true : undefined))
  assert.equal(await lab.ok(WORKER, 'inspect', '-f', '{{.State.Pid}}', id), pid)
  const lines = (await lab.ok(WORKER, 'logs', id)).split('\n').length
  await eventually('the log goes on', SOON_MS, async () => ((await lab.ok(WORKER, 'logs', id)).split('\n').length > lines ? true : undefined))
})

test('joining: every wrong token and address is told apart, in Docker\'s words', async () => {
  const secret = (token: string): string => `${token.slice(0, token.lastIndexOf('-'))}-${'0'.repeat(25)}`
  const join3 = async (token: string, address = '10.99.0.1:2377'): Promise<Output> => lab.docker(OUTSIDER, 'swarm', 'join', '--token', token, address)
  assertTold(await join3('x'), /invalid join token/, 'malformed')
  assertTold(await join3(secret(tokens.worker)), /A valid join token is necessary to join this cluster/, 'wrong secret')
  assertTold(await join3(`SWMTKN-1-${'1'.repeat(50)}-${'0'.repeat(25)}`), /remote CA does not match fingerprint/, 'another cluster')
  await lab.ok(MANAGER, 'swarm', 'join-token', '--rotate', '-q', 'worker')
  assertTold(await join3(tokens.worker), /A valid join token is necessary to join this cluster/, 'rotated')
  assertTold(await join3(tokens.manager, '10.99.0.1:99999'), /port 99999 is out of range/, 'no port')
  assertTold(await join3(tokens.manager, 'no-such-host.invalid:2377'), /cannot be resolved/, 'no such name')
  const startMs = performance.now()
  assertTold(await join3(tokens.manager, '10.99.0.3:2377'), /cannot reach a manager at 10\.99\.0\.3:2377: check the address/, 'nobody there')
  assert(performance.now() - startMs < 25_000)
  assert.equal(await lab.ok(OUTSIDER, 'info', '-f', '{{.Swarm.LocalNodeState}}'), 'inactive')
  assertTold(await lab.docker(WORKER, 'swarm', 'join', '--token', tokens.manager, '10.99.0.1:2377'), /This node is already part of a swarm\. Use "docker swarm leave"/, 'twice')
})

test('images: archives of every kind of malice are refused or harmless, and leave nothing', async () => {
  const [folder, canary] = [join(lab.folder, 'tars'), join(lab.folder, 'canary')]
  for (const path of [folder, canary]) mkdirSync(path)
  writeFileSync(join(canary, '.wh.victim'), '')
  for (const [name, bytes] of hostileTars(canary)) writeFileSync(join(folder, name), bytes)
  const data = join(lab.folder, `h${OUTSIDER}/data`)
  const listing = (): string => ['layers', 'layers/blobs', 'layers/tmp', 'images/configs'].map(name => `${name}: ${readdirSync(join(data, name)).sort().join(' ')}`).join('\n')
  const clean = listing()
  for (const name of readdirSync(folder).sort()) {
    const tar = join(folder, name)
    const loaded = await lab.docker(OUTSIDER, 'load', '-i', tar)
    if (!name.startsWith('good')) assertTold(loaded, /the image archive cannot be read|invalid reference format/, `load ${name}`)
    else assert.equal(loaded.status, 0, `${name}: ${loaded.stderr}`)
    if (!name.startsWith('image-') && !name.startsWith('good')) {
      const imported = await lab.docker(OUTSIDER, 'import', tar, 'hostile:1')
      if (!name.startsWith('harmless')) assertTold(imported, /the image archive cannot be read/, `import ${name}`)
      else {
        assert.equal(imported.status, 0, `${name}: ${imported.stderr}`)
        await lab.ok(OUTSIDER, 'rmi', 'hostile:1')
      }
    }
    if (name.startsWith('good')) await lab.ok(OUTSIDER, 'rmi', 'good:1')
    assert.equal(listing(), clean, `${name} left something`)
    assert.deepEqual(readdirSync(canary), ['.wh.victim'], `${name} reached outside`)
  }
  await quickly(OUTSIDER)
})

test('damaged state: the daemon starts, says what is wrong, and everything else is there', async () => {
  const data = join(lab.folder, `h${WORKER}/data`)
  const steady = await lab.ok(WORKER, 'inspect', '-f', '{{.Id}} {{.State.Pid}}', 'steady')
  const victim = await lab.ok(WORKER, 'run', '-d', '--name', 'victim', 'busybox', 'sleep', '1000')
  const side = await lab.ok(WORKER, 'network', 'inspect', '-f', '{{.Id}}', 'bridge')
  await lab.lab('stop', String(WORKER))
  const state = readFileSync(join(data, 'swarm/state.json'))
  writeFileSync(join(data, 'containers', victim, 'container.json'), '{"id":')
  writeFileSync(join(data, 'networks', `${side}.json`), randomBytes(100))
  writeFileSync(join(data, 'swarm/state.json'), '{"nodeId":5}')
  await lab.start(WORKER)
  assert.equal(await lab.ok(WORKER, 'inspect', '-f', '{{.Id}} {{.State.Pid}}', 'steady'), steady)
  assert.match(await lab.ok(WORKER, 'info', '-f', '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'), /^error .*state\.json does not tell which cluster .*docker swarm leave --force/)
  assert.match(lab.log(WORKER), new RegExp(`containers/${victim}/container\\.json is damaged; restore it from a backup`))
  await lab.lab('stop', String(WORKER))
  writeFileSync(join(data, 'swarm/state.json'), state)
  const store = join(data, 'agent')
  const current = readFileSync(join(store, 'CURRENT'))
  writeFileSync(join(store, 'CURRENT'), randomBytes(50))
  await assert.rejects(lab.start(WORKER), /the store .*agent can not be opened.*it is damaged: restore the folder/s)
  writeFileSync(join(store, 'CURRENT'), current)
  await lab.start(WORKER)
  await eventually('the worker is back', SOON_MS, async () => (/h2 Ready/.test(await lab.ok(MANAGER, 'node', 'ls', '--format', '{{.Hostname}} {{.Status}}')) ? true : undefined))
})

/** Behind the head of a segment (src/platform/storage/segment-format.ts). */
const FIRST_GROUP = 4096

test('a flipped bit in a manager\'s log: it refuses to go on from it, and says what to do', async () => {
  await lab.lab('kill', String(MANAGER))
  const folder = join(lab.folder, `h${MANAGER}/data/swarm/manager/raft`)
  const file = join(folder, readdirSync(folder).filter(name => name.endsWith('.log')).sort()[0] ?? '')
  const bytes = readFileSync(file)
  const at = FIRST_GROUP + 50
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(file, bytes)
  await lab.start(MANAGER)
  await eventually('the manager says what is wrong', SOON_MS, async () => (/shoal manager: .*damaged/i.test(lab.log(MANAGER)) ? true : undefined))
  await quickly(MANAGER)
  assertTold(await lab.docker(MANAGER, 'node', 'ls'), /swarm manager|leader|unavailable/i, 'node ls')
  assert.doesNotMatch(lab.log(MANAGER).split('shoal manager:').at(-1) ?? '', /\n\s+at /)
})
