import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { createLinuxKernel } from '../../agent/kernel/linux/linux-kernel.ts'
import { encodeFrame, FRAME, FrameParser, WANT } from '../../agent/engine/runtime/monitor-frames.ts'
import { MonitorProcess } from '../../agent/engine/runtime/monitor-process.ts'
import { MONITOR } from './engine-fixture.ts'

const skip = existsSync(MONITOR) ? false : 'needs agent/monitor built'
const { processes } = createLinuxKernel()

/** A monitor whose "runtime" is a shell that leaves `command` behind, as a real one leaves a container: no privileges needed. */
async function withMonitor(command: string, options: readonly string[], body: (monitor: MonitorProcess, directory: string, pid: number) => Promise<void>): Promise<void> {
  const directory = mkdtempSync('/tmp/shoal-mon-')
  try {
    // A shell gives what it runs behind it no input of its own, so ours goes by descriptor 4.
    const script = `exec 4<&0; sh -c '${command}' <&4 4<&- & echo $! >pid`
    const { control, pid } = processes.spawnMonitor([MONITOR, '-d', directory, '-l', join(directory, 'log'), ...options, '--', '/bin/sh', '-c', script], { stderrPath: join(directory, 'err') })
    const monitor = new MonitorProcess(control)
    await body(monitor, directory, pid)
    await monitor.closed
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** All output of a client that attaches and reads to the end. */
async function outputOf(client: Duplex, wants: number): Promise<number> {
  const parser = new FrameParser()
  let bytes = 0
  client.write(encodeFrame(FRAME.attach, Uint8Array.of(wants)))
  for await (const chunk of client) for (const frame of parser.push(chunk as Buffer)) if (frame.type === FRAME.stdout) bytes += frame.body.length
  return bytes
}

test('the exit code is told to clients and stands in a file', { skip }, async () => {
  await withMonitor('echo hi; exit 5', [], async (monitor, directory) => {
    assert.ok((await monitor.started).pid)
    assert.equal((await monitor.exited)?.code, 5)
    assert.equal((JSON.parse(readFileSync(join(directory, 'exit'), 'utf8')) as { readonly code: number }).code, 5)
    assert.ok(readFileSync(join(directory, 'log')).subarray(16).toString().startsWith('hi\n'))
  })
})

test('a runtime that fails is told as such', { skip }, async () => {
  const directory = mkdtempSync('/tmp/shoal-mon-')
  const { control } = processes.spawnMonitor([MONITOR, '-d', directory, '--', '/bin/sh', '-c', 'exit 7'], { stderrPath: join(directory, 'err') })
  const monitor = new MonitorProcess(control)
  assert.deepEqual(await monitor.started, { failed: 7 })
  await monitor.closed
  rmSync(directory, { recursive: true })
})

test('a monitor that waits for the word to go ends with the daemon that would have given it', { skip }, async () => {
  await withMonitor('echo never', ['-w'], async (monitor, directory, pid) => {
    await monitor.ready
    monitor.disconnect()
    while (existsSync(join(directory, 's'))) await new Promise(resolve => { setTimeout(resolve, 5) })
    assert.ok(processes.startTicks(pid) !== undefined || !existsSync(join(directory, 'pid')))
    assert.equal(existsSync(join(directory, 'pid')), false)
  })
})

test('a client that is handed over at the start misses nothing, and nobody has to say go', { skip }, async () => {
  const directory = mkdtempSync('/tmp/shoal-mon-')
  const { control, client } = processes.spawnMonitor([MONITOR, '-d', directory, '-a', '--', '/bin/sh', '-c', 'seq 1 300000 & echo $! >pid'], { stderrPath: join(directory, 'err'), withClient: true })
  const monitor = new MonitorProcess(control)
  assert.ok(client)
  assert.equal(await outputOf(client, WANT.stdout), 1_988_895)
  assert.equal((await monitor.exited)?.code, 0)
  await monitor.closed
  rmSync(directory, { recursive: true })
})

test('a client that is handed over but goes without attaching does not hold up the start', { skip }, async () => {
  const directory = mkdtempSync('/tmp/shoal-mon-')
  const { control, client } = processes.spawnMonitor([MONITOR, '-d', directory, '-a', '--', '/bin/sh', '-c', 'exit 7'], { stderrPath: join(directory, 'err'), withClient: true })
  client?.destroy()
  assert.deepEqual(await new MonitorProcess(control).started, { failed: 7 })
  rmSync(directory, { recursive: true })
})

test('ten megabytes of standard input arrive whole, and their end too', { skip }, async () => {
  await withMonitor('wc -c', ['-i', '-1', '-w'], async (monitor, directory) => {
    await monitor.ready
    const client = await processes.connect(join(directory, 's'))
    client.resume()
    client.write(encodeFrame(FRAME.attach, Uint8Array.of(WANT.stdin)))
    for (let i = 0; i < 160; i++) client.write(encodeFrame(FRAME.stdin, Buffer.alloc(65_536, 120)))
    client.write(encodeFrame(FRAME.stdinClose))
    monitor.go()
    assert.equal((await monitor.exited)?.code, 0)
    assert.match(readFileSync(join(directory, 'log')).subarray(16).toString(), /^10485760\n/)
    client.destroy()
  })
})

test('several clients each get everything', { skip }, async () => {
  await withMonitor('seq 1 300000', ['-w'], async (monitor, directory) => {
    await monitor.ready
    const clients = await Promise.all([1, 2, 3].map(() => processes.connect(join(directory, 's'))))
    const outputs = Promise.all(clients.map(client => outputOf(client, WANT.stdout)))
    await new Promise(resolve => { setTimeout(resolve, 50) })
    monitor.go()
    assert.deepEqual(await outputs, [1_988_895, 1_988_895, 1_988_895])
  })
})

test('the log is rotated at record boundaries and keeps as many files as told', { skip }, async () => {
  await withMonitor('seq 1 300000', ['-m', '200000', '-n', '3'], async (monitor, directory) => {
    await monitor.exited
    const files = readdirSync(directory).filter(name => name.startsWith('log')).sort()
    assert.deepEqual(files, ['log', 'log.1', 'log.2'])
    for (const file of files) assert.ok(statSync(join(directory, file)).size <= 200_000 + 32_784)
    const newest = readFileSync(join(directory, 'log'))
    let at = 0
    while (at < newest.length) at += 16 + newest.readUInt32BE(at + 12)
    assert.equal(at, newest.length)
    assert.ok(newest.toString().endsWith('\n300000\n'))
  })
})
