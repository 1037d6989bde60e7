/** dockerode, the Docker client that most programs in JavaScript use, against a real daemon. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import Docker from 'dockerode'
import { pack } from 'tar-stream'
import { DebianRegistry } from '../support/debian-registry.ts'
import { eventually, Lab } from '../support/lab.ts'

const WAIT_MS = 10_000

let lab: Lab
let docker: Docker
before(async () => {
  lab = await Lab.up('shoallongsdk', 1)
  docker = new Docker({ socketPath: lab.socket(1) })
})
after(async () => { await lab?.[Symbol.asyncDispose]() })

test('run gives output and status', async () => {
  const output = new PassThrough()
  const said = text(output)
  const [status, container] = await docker.run('busybox', ['sh', '-c', 'echo hello; exit 3'], output, { Tty: true }) as [{ StatusCode: number }, Docker.Container]
  output.end()
  assert.deepEqual([status.StatusCode, await said], [3, 'hello\r\n'])
  await container.remove()
})

test('attach carries input and its end, and keeps output and errors apart', async () => {
  const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'cat; echo done >&2'], OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true })
  const stream = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true })
  const [out, err] = separated(stream)
  await container.start()
  stream.write('first\n')
  stream.end('second\n')
  assert.deepEqual([await out, await err], ['first\nsecond\n', 'done\n'])
  assert.equal((await container.wait() as { StatusCode: number }).StatusCode, 0)
  await container.remove()
})

test('exec, logs, stats and copies of a running container', async () => {
  const container = await docker.createContainer({ Image: 'busybox', name: 'sdk', Cmd: ['sh', '-c', 'echo one; echo two >&2; sleep 1000'], HostConfig: { Memory: 64 * 2 ** 20 } })
  await container.start()
  const exec = await container.exec({ Cmd: ['sh', '-c', 'read line; echo got $line; exit 4'], AttachStdin: true, AttachStdout: true, AttachStderr: true })
  const stream = await exec.start({ hijack: true, stdin: true })
  const [out] = separated(stream)
  stream.end('input\n')
  assert.equal(await out, 'got input\n')
  assert.equal((await eventually('the exec has ended', WAIT_MS, async () => { const info = await exec.inspect(); return info.Running ? undefined : info })).ExitCode, 4)

  const logs = await eventually('both lines are logged', WAIT_MS, async () => { const bytes = await container.logs({ stdout: true, stderr: true, follow: false }); return bytes.includes('two') ? bytes : undefined })
  assert.match(logs.toString(), /one\n[^]*two\n/)
  const tail = await container.logs({ stdout: true, stderr: true, follow: true, tail: 1 }) as Readable
  assert.match(String((await once(tail, 'data') as [Buffer])[0]), /two/)
  tail.destroy()

  const streamed = await container.stats({ stream: true }) as Readable
  const [first] = await once(streamed, 'data') as [Buffer]
  streamed.destroy()
  assert.equal((JSON.parse(first.toString()) as { id: string }).id, container.id)
  const stats = await container.stats({ stream: false })
  assert.equal(stats.memory_stats.limit, 64 * 2 ** 20)
  assert.ok(stats.cpu_stats.cpu_usage.total_usage > 0)

  const archive = pack()
  archive.entry({ name: 'file' }, 'content')
  archive.finalize()
  await container.putArchive(Readable.from(archive), { path: '/tmp' })
  assert.match(await text(await container.getArchive({ path: '/tmp/file' })), /content/)
  await container.remove({ force: true })
  await assert.rejects(container.inspect(), { statusCode: 404 })
})

test('build makes an image of a context, and tells its steps', async () => {
  const context = pack()
  context.entry({ name: 'Dockerfile' }, 'FROM busybox\nARG WHO\nCOPY greeting /greeting\nRUN echo "$(cat /greeting) $WHO" > /said\nCMD ["cat", "/said"]\n')
  context.entry({ name: 'greeting' }, 'hello')
  context.finalize()
  const progress = await docker.buildImage(Readable.from(context) as NodeJS.ReadableStream, { t: 'sdk-built', buildargs: { WHO: 'world' } })
  const lines = await followed(progress)
  assert.ok(lines.some(line => /Successfully tagged sdk-built:latest/.test(line.stream ?? '')), JSON.stringify(lines))
  const output = new PassThrough()
  const said = text(output)
  await docker.run('sdk-built', [], output, { Tty: true, HostConfig: { AutoRemove: true } })
  output.end()
  assert.equal(await said, 'hello world\r\n')
  await eventually('its container is gone', WAIT_MS, async () => docker.getImage('sdk-built').remove())
})

test('events are told as they happen', async () => {
  const events = await docker.getEvents({ filters: { type: ['container'], container: ['sdk-events'] } }) as Readable
  const seen: string[] = []
  events.on('data', (chunk: Buffer) => { for (const line of chunk.toString().split('\n')) if (line !== '') seen.push((JSON.parse(line) as { Action: string }).Action) })
  const container = await docker.createContainer({ Image: 'busybox', name: 'sdk-events', Cmd: ['true'] })
  await container.start()
  await container.wait()
  await container.remove()
  await eventually('all events came', WAIT_MS, async () => (seen.includes('destroy') ? true : undefined))
  events.destroy()
  assert.deepEqual(seen, ['create', 'start', 'die', 'destroy'])
})

test('push and pull carry an image over a registry, and tell how far they are', async () => {
  await using registry = await DebianRegistry.start(lab, 1, { address: '127.0.0.1', port: 5000 })
  await docker.getImage('busybox').tag({ repo: 'localhost:5000/sdk', tag: '1' })
  const pushed = await followed(await docker.getImage('localhost:5000/sdk:1').push({ authconfig: {} }))
  const [layer = ''] = await registry.layers('sdk', '1')
  // Without any other name for it, its layers are fetched rather than found.
  for (const name of ['localhost:5000/sdk:1', 'busybox:latest']) await docker.getImage(name).remove()
  const lines = await followed(await docker.pull('localhost:5000/sdk:1') as NodeJS.ReadableStream)
  await docker.getImage('localhost:5000/sdk:1').tag({ repo: 'busybox', tag: 'latest' })

  const digest = (pushed.find(({ aux }) => aux?.Digest !== undefined) ?? {}).aux?.Digest ?? 'none'
  assert.deepEqual(lines.filter(({ id }) => id === '1' || id === undefined).map(({ status }) => status), ['Pulling from sdk', `Digest: ${digest}`, 'Status: Downloaded newer image for localhost:5000/sdk:1'])
  const ofLayer = lines.filter(({ id }) => id === layer.slice(7, 19))
  assert.deepEqual([...new Set(ofLayer.map(({ status }) => status))], ['Pulling fs layer', 'Downloading', 'Verifying Checksum', 'Download complete', 'Extracting', 'Pull complete'])
  for (const status of ['Downloading', 'Extracting']) {
    const { current = 0, total } = ofLayer.filter(line => line.status === status).at(-1)?.progressDetail ?? {}
    assert.deepEqual([current > 0, current], [true, total], status)
  }
  const output = new PassThrough()
  const said = text(output)
  const [{ StatusCode }] = await docker.run('localhost:5000/sdk:1', ['echo', 'pulled'], output, { Tty: true, HostConfig: { AutoRemove: true } }) as [{ StatusCode: number }]
  output.end()
  assert.deepEqual([StatusCode, await said], [0, 'pulled\r\n'])
})

test('pull tells why it failed', async () => {
  await assert.rejects(async () => followed(await docker.pull('registry.invalid/nothing:1')), /registry\.invalid|lookup|not found/i)
})

interface ProgressLine {
  readonly stream?: string
  readonly error?: string
  readonly id?: string
  readonly status?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
  readonly aux?: { readonly Digest?: string }
}

async function followed(stream: NodeJS.ReadableStream): Promise<readonly ProgressLine[]> {
  return new Promise((resolve, reject) => { docker.modem.followProgress(stream, (error, lines) => { if (error) reject(error); else resolve(lines as ProgressLine[]) }) })
}

/** Standard output and standard error of a stream that carries both. */
function separated(stream: NodeJS.ReadWriteStream): [Promise<string>, Promise<string>] {
  const [out, err] = [new PassThrough(), new PassThrough()]
  docker.modem.demuxStream(stream, out, err)
  stream.on('end', () => { out.end(); err.end() })
  return [text(out), text(err)]
}
