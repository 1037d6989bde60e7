/** The daemon as a service of a host: sockets, TLS, systemd's ways, reload, metrics, and the way in through ssh. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, Lab, run, type Output } from '../support/lab.ts'

const skip = process.getuid?.() === 0 && existsSync('/bin/busybox') ? false : 'needs root and busybox'
const WAIT_MS = 20_000
/** Opens a Unix socket as systemd would, and becomes the program with it as descriptor 3. */
const ACTIVATE = `BEGIN { $^F = 10 } use Socket; use POSIX; my ($path, @command) = @ARGV; socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die; bind($s, sockaddr_un($path)) or die; listen($s, 16) or die;
  POSIX::dup2(fileno($s), 3); $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; exec @command or die`
/** Prints what is said to a notification socket, until something matches. */
const LISTEN_FOR = 'use Socket; my ($path, $until) = @ARGV; socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die; bind($s, sockaddr_un($path)) or die; $| = 1; print "listening\\n"; while (defined(recv($s, my $m, 4096, 0))) { print "$m\\n"; last if $m =~ /$until/ }'

let lab: Lab
before(async () => { if (skip === false) lab = await Lab.up('shoale2eservice', 1) })
after(async () => { await lab?.[Symbol.asyncDispose]() })

const folder = (): string => join(lab.folder, 'h1')
const must = async (output: Promise<Output>): Promise<string> => { const { status, stdout, stderr } = await output; assert.equal(status, 0, stderr); return stdout }
const dockerInHost = (...args: readonly string[]): Promise<Output> => lab.lab('exec', '1', 'docker', ...args)

test('TLS lets in who shows a certificate of the authority, and nobody else', { skip }, async () => {
  const certs = join(lab.folder, 'certs')
  mkdirSync(certs)
  const openssl = async (...args: readonly string[]): Promise<void> => { const output = await run('openssl', args); assert.equal(output.status, 0, output.stderr) }
  const path = (name: string): string => join(certs, name)
  await openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test authority', '-keyout', path('ca-key.pem'), '-out', path('ca.pem'))
  for (const [name, extension] of [['server', 'subjectAltName=IP:127.0.0.1'], ['client', 'extendedKeyUsage=clientAuth']] as const) {
    writeFileSync(path(`${name}.ext`), extension)
    await openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-keyout', path(`${name}-key.pem`), '-out', path(`${name}.csr`))
    await openssl('x509', '-req', '-in', path(`${name}.csr`), '-CA', path('ca.pem'), '-CAkey', path('ca-key.pem'), '-CAcreateserial', '-days', '2', '-extfile', path(`${name}.ext`), '-out', path(`${name}.pem`))
  }
  await lab.lab('stop', '1')
  await lab.start(1, '-H', 'tcp://127.0.0.1', '--tlsverify', '--tlscacert', path('ca.pem'), '--tlscert', path('server.pem'), '--tlskey', path('server-key.pem'), '--metrics-addr', '127.0.0.1:9323')
  const said = await must(dockerInHost('-H', 'tcp://127.0.0.1:2376', '--tls', '--tlsverify', '--tlscacert', path('ca.pem'), '--tlscert', path('client.pem'), '--tlskey', path('client-key.pem'), 'run', '--rm', '--network', 'none', 'busybox', 'echo', 'over TLS'))
  assert.equal(said, 'over TLS\n')
  const stranger = await dockerInHost('-H', 'tcp://127.0.0.1:2376', '--tls', '--tlscacert', path('ca.pem'), 'ps')
  assert.notEqual(stranger.status, 0)
  assert.match(stranger.stderr, /certificate/)
  assert.notEqual((await dockerInHost('-H', 'tcp://127.0.0.1:2376', 'ps')).status, 0)
  assert.doesNotMatch(lab.log(1), /reachable|accessible over the network/)
  const metrics = await lab.lab('exec', '1', 'curl', '-s', 'http://127.0.0.1:9323/metrics')
  assert.match(metrics.stdout, /engine_daemon_container_actions_seconds_count\{action="start"\} 1\n/)
})

test('a reload changes what can change, tells of it, and keeps the old configuration when the file is bad', { skip }, async () => {
  await lab.lab('stop', '1')
  const file = join(folder(), 'daemon.json')
  writeFileSync(file, JSON.stringify({ labels: ['zone=a'], hosts: ['tcp://127.0.0.1:2375'] }))
  assert.match((await lab.lab('start', '1', '--config-file', file)).stderr, /specified both as a flag and in the configuration file: hosts/)
  writeFileSync(file, JSON.stringify({ labels: ['zone=a'] }))
  await lab.start(1, '--config-file', file, '-H', 'tcp://127.0.0.1:2375')
  assert.match(lab.log(1), /accessible over the network without encryption/)
  assert.match((await lab.docker(1, 'info')).stderr, /API is accessible on http:\/\/127\.0\.0\.1:2375 without encryption/)
  writeFileSync(file, JSON.stringify({ labels: ['zone=b'], debug: true, 'default-shm-size': '8M' }))
  process.kill(lab.pid(1, 'daemon'), 'SIGHUP')
  const info = (): Promise<string> => lab.ok(1, 'info', '--format', '{{.Labels}} {{.Debug}}')
  await eventually('the labels change', WAIT_MS, async () => ((await info()) === '[zone=b] true' ? true : undefined))
  // The client asks in whole seconds.
  await eventually('the event can be read', WAIT_MS, async () => (/daemon reload .*labels=\["zone=b"\]/.test(await lab.ok(1, 'events', '--since', '1m', '--until', '0s', '--filter', 'type=daemon')) ? true : undefined))
  await lab.ok(1, 'create', '--name', 'later', 'busybox', 'true')
  assert.equal(await lab.ok(1, 'inspect', '--format', '{{.HostConfig.ShmSize}}', 'later'), String(8 * 1024 ** 2))
  writeFileSync(file, '{"labels": "zone=c"}')
  process.kill(lab.pid(1, 'daemon'), 'SIGHUP')
  await eventually('the bad file is told of', WAIT_MS, async () => (/old one stays in effect/.test(lab.log(1)) ? true : undefined))
  assert.equal(await info(), '[zone=b] true')
  const second = await lab.lab('exec', '1', join(process.cwd(), 'deploy/bin/shoal'), 'daemon', '--data-root', join(folder(), 'data'), '--exec-root', join(folder(), 'exec2'), '--pidfile', join(folder(), 'second.pid'), '-H', `unix://${folder()}/second.sock`)
  assert.deepEqual([second.status, existsSync(join(folder(), 'second.pid'))], [1, false])
  assert.match(second.stderr, /another daemon uses .*\/data; stop it first/)
})

test('ssh leads in: the remote end joins its input and output to the daemon', { skip }, async () => {
  const bin = join(lab.folder, 'bin')
  mkdirSync(bin)
  for (const [name, command] of [['docker', '/usr/bin/env docker "$@"'], ['shoal', `shift; exec ${join(process.cwd(), 'deploy/bin/shoal')} "$@"`]] as const) {
    // As ssh would: what stands behind the address is run over there.
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\nwhile [ "$1" != docker ]; do shift; done\nexport DOCKER_HOST=unix://${lab.socket(1)}\n${name === 'docker' ? 'exec "$@"' : command}\n`, { mode: 0o755 })
    const output = await run('docker', ['-H', 'ssh://me@there', 'run', '-i', '--rm', '--network', 'none', 'busybox', 'sh', '-c', 'cat; exit 5'], { input: `through ${name}\n`, env: { PATH: `${bin}:${process.env['PATH'] ?? ''}`, DOCKER_CLI_HINTS: 'false' } })
    assert.deepEqual([output.status, output.stdout], [5, `through ${name}\n`], output.stderr)
  }
})

test('systemd hands over a socket and is told when the daemon is ready and when it stops; a stop leaves containers alone', { skip }, async () => {
  await lab.ok(1, 'run', '-d', '--name', 'stays', '--network', 'none', 'busybox', 'sleep', '1000')
  const pid = await lab.ok(1, 'inspect', '--format', '{{.State.Pid}}', 'stays')
  await lab.lab('stop', '1')
  assert.equal(existsSync(lab.socket(1)), false, 'the socket is removed')
  const [notify, socket] = [join(folder(), 'notify.sock'), join(folder(), 'activated.sock')]
  const listener = spawn('perl', ['-e', LISTEN_FOR, notify, 'STOPPING'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let told = ''
  listener.stdout.on('data', (chunk: Buffer) => { told += chunk.toString() })
  await eventually('the supervisor listens', WAIT_MS, async () => (told.includes('listening') ? true : undefined))
  const pidFile = join(folder(), 'shoal.pid')
  const args = ['-e', ACTIVATE, socket, join(process.cwd(), 'deploy/bin/shoal'), 'daemon', '--data-root', join(folder(), 'data'), '--exec-root', join(folder(), 'exec'), '--pidfile', pidFile, '-H', 'fd://', '--cgroup-parent', `/${lab.name}-lab/h1`]
  const daemon = spawn('bash', [lab.script, 'exec', '1', 'perl', ...args], { env: { ...process.env, LAB: lab.name, NOTIFY_SOCKET: notify }, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  daemon.stderr.on('data', (chunk: Buffer) => { log += chunk.toString() })
  await eventually('the daemon is ready', WAIT_MS, async () => (told.includes('READY=1') ? true : undefined)).catch((error: unknown) => { throw new Error(log, { cause: error }) })
  const names = await run('docker', ['-H', `unix://${socket}`, 'ps', '--format', '{{.Names}}'])
  assert.equal(names.stdout.trim(), 'stays', names.stderr)
  process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM')
  await eventually('it is told that the daemon stops', WAIT_MS, async () => (told.includes('STOPPING=1') ? true : undefined))
  const status = await new Promise(resolve => { if (daemon.exitCode === null) daemon.once('exit', resolve); else resolve(daemon.exitCode) })
  assert.deepEqual([status, existsSync(pidFile), existsSync(`/proc/${pid}`)], [0, false, true])
  const refused = await lab.lab('exec', '1', join(process.cwd(), 'deploy/bin/shoal'), 'daemon', '--data-root', join(folder(), 'data'), '--exec-root', join(folder(), 'exec'), '--pidfile', pidFile, '-H', 'fd://')
  assert.deepEqual([refused.status, /no sockets found via socket activation/.test(refused.stderr)], [1, true], refused.stderr)
})

test('with userns-remap containers have user namespaces, which own their networks and which they share with whom they share others', { skip }, async () => {
  await lab.lab('stop', '1')
  const etc = join(folder(), 'etc')
  const ready = await lab.lab('exec', '1', 'sh', '-c', `cp -a /etc ${etc} && mount --bind ${etc} /etc && sed -i '/^dockremap:/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow && echo other:100000:65536 | tee /etc/subuid >/etc/subgid`)
  assert.equal(ready.status, 0, ready.stderr)
  await lab.start(1, '--userns-remap', 'default')
  assert.match(await lab.ok(1, 'info', '--format', '{{.SecurityOptions}}'), /name=userns/)
  assert.equal(readFileSync(join(etc, 'subuid'), 'utf8'), 'other:100000:65536\ndockremap:165536:65536\n')
  await lab.ok(1, 'network', 'create', 'mapped')
  await lab.ok(1, 'run', '-d', '--name', 'donor', '--network', 'mapped', 'busybox', 'sleep', '1000')
  const look = ['sh', '-c', 'cat /proc/self/uid_map; readlink /proc/self/ns/user; ip -o -4 addr show eth0 | wc -l; ls -lnd /proc/sys/net/core | tr -s " " | cut -d" " -f3; ping -c 1 -w 20 donor >/dev/null && echo reached; ip link set lo down && echo down']
  const words = async (...args: readonly string[]): Promise<readonly string[]> => (await lab.ok(1, 'run', '--rm', '--cap-add', 'NET_ADMIN', ...args, 'busybox', ...look)).trim().split(/\s+/)
  const [first, second, shared] = await Promise.all([words('--network', 'mapped'), words('--network', 'mapped'), words('--network', 'mapped', '--pid', 'container:donor')])
  for (const seen of [first, second, shared]) assert.deepEqual([...seen.slice(0, 3), ...seen.slice(4)], ['0', '165536', '65536', '1', '0', 'reached', 'down'])
  const donors = (await lab.ok(1, 'exec', 'donor', 'readlink', '/proc/self/ns/user')).trim()
  assert.deepEqual([new Set([first[3], second[3], donors]).size, shared[3]], [3, donors])
})
