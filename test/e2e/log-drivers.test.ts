/** Containers' output on its way to remote log drivers: servers of the test's own, the journal's socket, and a daemon that goes away in between. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { rmSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually } from '../support/lab.ts'
import { canRunContainers, createEngineFixture, logsOf, request, run, textOf, type EngineFixture } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
const SOON_MS = 20_000
const LINES = 20_000
let fixture: EngineFixture
const ends: (() => void)[] = []

before(async () => { if (skip === false) fixture = await createEngineFixture() })
after(async () => {
  if (skip !== false) return
  for (const end of ends) end()
  await fixture[Symbol.asyncDispose]()
  assert.deepEqual(fixture.logger.lines.filter(line => line.level === 'error'), [])
})

interface Receiver { readonly port: number; text: string; readonly sockets: Set<Socket>; readonly server: Server }

async function tcpServer(port = 0): Promise<Receiver> {
  const server = createServer(socket => {
    receiver.sockets.add(socket)
    socket.on('data', chunk => { receiver.text += chunk.toString() })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => receiver.sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const receiver: Receiver = { port: (server.address() as AddressInfo).port, text: '', sockets: new Set(), server }
  ends.push(() => { close(receiver) })
  return receiver
}

function close({ server, sockets }: Receiver): void {
  server.close()
  for (const socket of sockets) socket.destroy()
}

/** A Unix datagram socket, which Node has not: perl, which every Debian has, writes what comes in. */
async function datagramServer(path: string): Promise<{ text(): string }> {
  const program = 'use IO::Socket::UNIX; $|=1; my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die; print "ready\\n"; while (defined $s->recv(my $b, 65536)) { print $b, "--\\n" }'
  const child: ChildProcess = spawn('perl', ['-MSocket', '-e', program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  ends.push(() => { child.kill(); rmSync(path, { force: true }) })
  let text = ''
  child.stdout?.on('data', chunk => { text += String(chunk) })
  await eventually('the datagram socket is there', SOON_MS, async () => text.startsWith('ready\n') || undefined)
  return { text: () => text.slice('ready\n'.length) }
}

function syslogTo(address: string, more: Readonly<Record<string, string>> = {}): Parameters<typeof request>[1] {
  return { hostConfig: { LogConfig: { Type: 'syslog', Config: { 'syslog-address': address, tag: '{{.Name}}', ...more } } } }
}

test('a TCP server gets every line, in order, and docker logs has them too', { skip }, async () => {
  const server = await tcpServer()
  const { id, exit } = await run(fixture.engine, request(['sh', '-c', `echo err >&2; seq ${LINES}`], { name: 'tcp', ...syslogTo(`tcp://127.0.0.1:${server.port}`, { 'syslog-format': 'rfc3164', 'syslog-facility': 'local1' }) }))
  await exit
  await eventually('the last line has come', SOON_MS, async () => server.text.includes(`]: ${LINES}\n`) || undefined)
  const lines = server.text.trimEnd().split('\n')
  assert.match(lines.find(line => line.endsWith(': err')) ?? '', /^<139>\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ tcp\[\d+\]: err$/)
  assert.deepEqual(lines.filter(line => line.startsWith('<142>')).map(line => Number(line.split(']: ')[1])), Array.from({ length: LINES }, (_, index) => index + 1))
  assert.equal((await logsOf(fixture.engine, id)).split('\n').length, LINES + 2)
})

test('a UDP server and a Unix datagram server get them as well', { skip }, async () => {
  const udp = createSocket('udp4')
  ends.push(() => { udp.close() })
  let text = ''
  udp.on('message', message => { text += message.toString() })
  await new Promise<void>(resolve => udp.bind(0, '127.0.0.1', resolve))
  await (await run(fixture.engine, request(['echo', 'over udp'], { name: 'udp', hostConfig: { ...syslogTo(`udp://127.0.0.1:${udp.address().port}`)?.hostConfig, AutoRemove: true } }))).exit
  const path = join(fixture.root, 'devlog')
  const local = await datagramServer(path)
  await (await run(fixture.engine, request(['echo', 'local'], { name: 'unix', ...syslogTo(`unixgram://${path}`) }))).exit
  await eventually('both have come', SOON_MS, async () => (text.includes('udp[') && text.includes(': over udp\n') && /<30>.*unix\[\d+\]: local\n--\n/.test(local.text())) || undefined)
})

test('what a server missed while it and the daemon were away is sent when both are back', { skip }, async () => {
  const first = await tcpServer()
  const { id } = await run(fixture.engine, request(['sh', '-c', 'echo before; while ! test -e /go; do sleep 0.05; done; seq 100; echo after; while true; do sleep 1; done'], { name: 'away', ...syslogTo(`tcp://127.0.0.1:${first.port}`) }))
  await eventually('the first line has come', SOON_MS, async () => first.text.includes(': before\n') || undefined)
  await fixture.engine[Symbol.asyncDispose]()
  close(first)
  const engine = await fixture.reopen()
  const { Id } = await engine.execs.create(id, { cmd: ['touch', '/go'], attachStdin: false, attachStdout: true, attachStderr: true, tty: false, env: [], privileged: false })
  const attachment = await engine.execs.start(Id, { detach: false, tty: false })
  if (attachment !== undefined) await textOf(attachment.stream)
  await eventually('it is in the log', SOON_MS, async () => (await logsOf(engine, id)).includes('after\n') || undefined)
  const second = await tcpServer(first.port)
  await eventually('it is at the server', SOON_MS, async () => second.text.includes(': after\n') || undefined)
  const told = second.text.trimEnd().split('\n').map(line => line.split(']: ')[1])
  assert.deepEqual(told, [...Array.from({ length: 100 }, (_, index) => String(index + 1)), 'after'])
})

test('a server that is not there refuses the start, as does a host without a journal', { skip }, async () => {
  const server = await tcpServer()
  close(server)
  const { Id } = await fixture.engine.containers.create(request(['true'], syslogTo(`tcp://127.0.0.1:${server.port}`)))
  await assert.rejects(fixture.engine.containers.start(Id), { message: `failed to initialize logging driver: dial tcp 127.0.0.1:${server.port}: connect: connection refused` })
  const { State: state } = await fixture.engine.containers.inspect(Id)
  assert.deepEqual([state?.Status, state?.ExitCode], ['created', 128])
})
