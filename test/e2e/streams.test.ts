/** Containers' streams through a whole daemon: WebSockets, readers that do not read, output of a million lines, quick commands on terminals. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { WebSocket } from 'ws'
import { eventually, Lab, type Output } from '../support/lab.ts'

const SOON_MS = 20_000
const MILLION = 1_000_000
const QUICK = 20
let lab: Lab

before(async () => { lab = await Lab.up('shoalstreams', 1) })
after(async () => { await lab[Symbol.asyncDispose]() })

async function docker(...args: readonly string[]): Promise<Output> { return lab.docker(1, ...args) }
async function ok(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await docker(...args)
  assert.equal(status, 0, `docker ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout.trim()
}

/** One request; the body is sent whole. */
async function api(method: string, path: string, body?: Buffer): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ socketPath: lab.socket(1), method, path: `/v1.44${path}`, headers: body === undefined ? {} : { 'content-type': 'application/x-tar' } }, response => {
      let text = ''
      response.on('data', chunk => { text += String(chunk) })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** A hijacked attach whose output is not read. */
async function attachWithoutReading(container: string): Promise<Socket> {
  const socket = connect(lab.socket(1))
  socket.on('error', () => socket.destroy())
  socket.pause()
  await new Promise<void>(resolve => socket.write(`POST /v1.44/containers/${container}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`, () => resolve()))
  return socket
}

test('a WebSocket gives input and gets output, and its end does not end the container', async () => {
  await ok('run', '-d', '-i', '--network', 'none', '--name', 'ws', 'busybox', 'sh', '-c', 'while read line; do echo "got $line"; done')
  const client = new WebSocket(`ws+unix:${lab.socket(1)}:/v1.44/containers/ws/attach/ws?stream=1&stdin=1&stdout=1`)
  let text = ''
  client.on('message', data => { text += (data as Buffer).toString('latin1') })
  await new Promise<void>((resolve, reject) => { client.once('open', () => resolve()); client.once('error', reject) })
  client.send('one\n')
  client.send(Buffer.from('two\n'))
  await eventually('both lines have come back', SOON_MS, async () => (text.includes('got one\n') && text.includes('got two\n')) || undefined)
  client.close()
  await new Promise<void>(resolve => client.once('close', () => resolve()))
  assert.equal(await ok('inspect', '-f', '{{.State.Running}}', 'ws'), 'true')
  assert.equal((await api('GET', '/containers/ws/attach/ws')).status, 400)
  await ok('rm', '-f', 'ws')
})

test('a million lines are all in the log, in order, while two clients do not read', async () => {
  await ok('create', '--network', 'none', '--name', 'many', 'busybox', 'seq', String(MILLION))
  const lazy = await Promise.all([attachWithoutReading('many'), attachWithoutReading('many')])
  await ok('start', 'many')
  assert.equal(await ok('wait', 'many'), '0')
  const lines = execFileSync('docker', ['logs', 'many'], { env: { ...process.env, DOCKER_HOST: `unix://${lab.socket(1)}` }, maxBuffer: 2 ** 25 }).toString().trimEnd().split('\n')
  assert.equal(lines.length, MILLION)
  assert.ok(lines.every((line, index) => Number(line) === index + 1))
  assert.equal(await ok('logs', '--tail', '2', '--timestamps', 'many').then(text => text.split('\n').map(line => line.split(' ')[1]).join()), `${MILLION - 1},${MILLION}`)
  for (const socket of lazy) socket.destroy()
  await ok('rm', 'many')
})

test('a follower gets all while the log is rotated away under it, and ends when the container is removed', async () => {
  await ok('run', '-d', '--network', 'none', '--name', 'turning', '--log-opt', 'max-size=200k', '--log-opt', 'max-file=3', 'busybox', 'sh', '-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; [ $((i % 200)) = 0 ] && sleep 0.01; done; sleep 1000')
  const follower = spawn('docker', ['logs', '-f', 'turning'], { env: { ...process.env, DOCKER_HOST: `unix://${lab.socket(1)}` } })
  let text = ''
  follower.stdout.on('data', chunk => { text += String(chunk) })
  const ended = new Promise<number | null>(resolve => follower.once('close', resolve))
  await eventually('the last line has come', SOON_MS, async () => text.includes('line 20000\n') || undefined)
  await ok('rm', '-f', 'turning')
  assert.equal(await ended, 0)
  const numbers = text.trimEnd().split('\n').map(line => Number(line.split(' ')[1]))
  assert.ok(numbers.every((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1), 'lines are missing or out of order')
})

test('quick commands on a terminal lose no output', async () => {
  await ok('run', '-d', '--network', 'none', '--name', 'quick', 'busybox', 'sleep', '1000')
  const answers = await Promise.all(Array.from({ length: QUICK }, async () => (await docker('exec', '-t', 'quick', 'echo', 'said')).stdout.trim()))
  assert.deepEqual(answers, Array.from({ length: QUICK }, () => 'said'))
  const runs = await Promise.all(Array.from({ length: 5 }, async () => (await docker('run', '--rm', '-t', '--network', 'none', 'busybox', 'echo', 'said')).stdout.trim()))
  assert.deepEqual(runs, Array.from({ length: 5 }, () => 'said'))
  await ok('rm', '-f', 'quick')
})

test('a command that ends before it has read its input loses no output', async () => {
  await ok('run', '-d', '--network', 'none', '--name', 'early', 'busybox', 'sleep', '1000')
  for (let round = 0; round < QUICK; round++) {
    const { status, stdout } = await lab.dockerWith({ input: 'abcdef\nghi\n' }, 1, 'exec', '-i', 'early', 'sh', '-c', 'head -c 2; exit 3')
    assert.deepEqual([status, stdout], [3, 'ab'])
  }
  await ok('rm', '-f', 'early')
})

test('who hears of a start from its output can signal what has started', async () => {
  for (let round = 0; round < 5; round++) {
    const child = spawn('docker', ['run', '--rm', '--network', 'none', 'busybox', 'sh', '-c', 'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.05; done'], { env: { ...process.env, DOCKER_HOST: `unix://${lab.socket(1)}` } })
    child.stdout.once('data', () => child.kill('SIGINT'))
    assert.equal(await new Promise(resolve => child.once('close', resolve)), 5)
  }
})

test('an archive is put into a container, and what leads out of it is not', async () => {
  await ok('run', '-d', '--network', 'none', '--name', 'put', 'busybox', 'sleep', '1000')
  const tar = execFileSync('tar', ['-c', '-C', '/etc', '--transform', 's,^hostname,../../../../tmp/shoal-out,', '-P', 'hostname'])
  const refused = await api('PUT', '/containers/put/archive?path=/tmp', tar)
  assert.deepEqual([refused.status, /outside of where it is unpacked/.test(refused.text)], [400, true])
  assert.equal((await api('PUT', '/containers/put/archive?path=/tmp', execFileSync('tar', ['-cz', '-C', '/etc', 'hostname']))).status, 200)
  assert.equal(await ok('exec', 'put', 'cat', '/tmp/hostname'), execFileSync('cat', ['/etc/hostname']).toString().trim())
  assert.equal((await api('PUT', '/containers/put/archive?path=/nosuch', tar)).status, 404)
  await ok('rm', '-f', 'put')
})
