import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { createLinuxKernel } from '../../agent/kernel/linux/linux-kernel.ts'
import { encodeFrame, FRAME, FrameParser, WANT } from '../../agent/engine/runtime/monitor-frames.ts'
import { MonitorProcess } from '../../agent/engine/runtime/monitor-process.ts'
import { checkMonitor } from '../../agent/engine/runtime/monitor-version.ts'
import { eventually } from '../support/lab.ts'
import { MONITOR } from './engine-fixture.ts'

const skip = existsSync(MONITOR) ? false : 'needs agent/monitor built'
const { processes } = createLinuxKernel()
/** For what takes milliseconds on an idle machine. */
const SOON_MS = 20_000

/** A monitor whose "runtime" is a shell that leaves `command` behind, as a real one leaves a container: no privileges needed. */
async function withMonitor(command: string, options: readonly string[], body: (monitor: MonitorProcess, directory: string, pid: number) => Promise<void>): Promise<void> {
  const directory = mkdtempSync('/tmp/shoal-mon-')
  try {
    // A shell gives what it runs behind it no input of its own, so ours goes by descriptor 4. It would also take the status of a command that ends before
    // itself, which no OCI runtime does: the command waits until the shell is gone.
    const script = `exec 4<&0; sh -c 'while [ -e /proc/$0 ]; do sleep 0.005; done; ${command}' $$ <&4 4<&- & echo $! >pid`
    const { control, pid } = processes.spawnMonitor([MONITOR, '-d', directory, '-l', join(directory, 'log'), ...options, '--', '/bin/sh', '-c', script], { stderrPath: join(directory, 'err') })
    const monitor = new MonitorProcess(control)
    await body(monitor, directory, pid)
    await monitor.closed
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** All output of a client that attaches and reads to the end; `onAttached` when it misses nothing any more. */
async function outputOf(client: Duplex, wants: number, onAttached?: () => void): Promise<number> {
  const parser = new FrameParser()
  let bytes = 0
  client.write(encodeFrame(FRAME.attach, Uint8Array.of(wants)))
  for await (const chunk of client) for (const frame of parser.push(chunk as Buffer)) {
    if (frame.type === FRAME.attach) onAttached?.()
    if (frame.type === FRAME.stdout) bytes += frame.body.length
  }
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
    await eventually('the monitor has gone', SOON_MS, async () => !existsSync(join(directory, 's')) || undefined)
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
    const outputs: Promise<number>[] = []
    for (const client of clients) await new Promise<void>(resolve => { outputs.push(outputOf(client, WANT.stdout, resolve)) })
    monitor.go()
    assert.deepEqual(await Promise.all(outputs), [1_988_895, 1_988_895, 1_988_895])
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

test('the monitor that is built speaks the protocol of this daemon', { skip }, async () => {
  await checkMonitor({ processes }, MONITOR)
})

test('a program that is not there is named, not only its status', { skip }, async () => {
  const directory = mkdtempSync('/tmp/shoal-mon-')
  const { control } = processes.spawnMonitor([MONITOR, '-d', directory, '--', '/no/such/runtime'], { stderrPath: join(directory, 'err') })
  const monitor = new MonitorProcess(control)
  assert.deepEqual(await monitor.started, { failed: 127 })
  await monitor.closed
  assert.match(readFileSync(join(directory, 'err'), 'utf8'), /\/no\/such\/runtime: No such file or directory/)
  rmSync(directory, { recursive: true })
})

test('a process left behind that goes on writing does not hold up the end', { skip }, async () => {
  await withMonitor('yes & echo $! >yes; exit 3', ['-m', '100000'], async (monitor, directory) => {
    assert.equal((await monitor.exited)?.code, 3)
    await monitor.closed
    assert.ok(existsSync(join(directory, 'yes')))
  })
})

test('clients that send garbage, half a frame, or input that they did not attach for disturb nobody', { skip }, async () => {
  await withMonitor('cat', ['-i', '-w'], async (monitor, directory) => {
    await monitor.ready
    const connect = async (): Promise<Duplex> => { const client = await processes.connect(join(directory, 's')); client.resume(); client.on('error', () => client.destroy()); return client }
    const [garbage, half, stranger, user] = [await connect(), await connect(), await connect(), await connect()]
    const refused = new Promise(resolve => { garbage.once('close', resolve) })
    garbage.write(Buffer.alloc(4096, 0xff))
    half.write(Buffer.from([FRAME.attach, 0, 0]))
    for (const frame of [encodeFrame(FRAME.stdin, Buffer.from('not mine')), encodeFrame(FRAME.stdinClose)]) stranger.write(frame)
    await refused
    user.write(Buffer.concat([encodeFrame(FRAME.attach, Uint8Array.of(WANT.stdin)), encodeFrame(FRAME.stdin, Buffer.from('mine')), encodeFrame(FRAME.stdinClose)]))
    monitor.go()
    assert.equal((await monitor.exited)?.code, 0)
    assert.equal(readFileSync(join(directory, 'log')).subarray(16).toString(), 'mine')
    for (const client of [half, stranger, user]) client.destroy()
  })
})

test('on a full disk the container goes on, its exit is known, and the log tells what it misses', { skip: skip === false && process.getuid?.() !== 0 ? 'needs root' : skip }, async () => {
  const directory = mkdtempSync('/tmp/shoal-mon-')
  const disk = join(directory, 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk])
  try {
    const script = `(while [ ! -e ${directory}/full ]; do sleep 0.01; done; seq 1 20000; >${directory}/written; while [ ! -e ${directory}/room ]; do sleep 0.01; done; echo after; while [ ! -e ${directory}/full-again ]; do sleep 0.01; done; exit 6) & echo $! >pid`
    const { control } = processes.spawnMonitor([MONITOR, '-d', disk, '-l', join(disk, 'log'), '--', '/bin/sh', '-c', script], { stderrPath: join(directory, 'err') })
    const monitor = new MonitorProcess(control)
    assert.ok((await monitor.started).pid)
    const fill = (): void => { try { writeFileSync(join(disk, 'ballast'), Buffer.alloc(1 << 17)) } catch (error) { assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC') } }
    fill()
    writeFileSync(join(directory, 'full'), '')
    await eventually('the loss is told', SOON_MS, async () => /No space left/.test(readFileSync(join(directory, 'err'), 'utf8')) && existsSync(join(directory, 'written')) || undefined)
    truncateSync(join(disk, 'ballast'), 0)
    writeFileSync(join(directory, 'room'), '')
    const log = await eventually('the log goes on', SOON_MS, async () => [readFileSync(join(disk, 'log'), 'latin1')].find(text => text.endsWith('after\n')))
    assert.match(log, /shoal-monitor: \d+ bytes of output could not be logged here\n/)
    fill()
    writeFileSync(join(directory, 'full-again'), '')
    assert.equal((await monitor.exited)?.code, 6)
    await monitor.closed
    assert.equal((JSON.parse(readFileSync(join(disk, 'exit'), 'utf8')) as { readonly code: number }).code, 6)
  } finally {
    execFileSync('umount', ['-l', disk])
    rmSync(directory, { recursive: true })
  }
})

test('a container whose status the runtime took is reported as gone, not waited for without end', { timeout: 20_000 }, async () => {
  const directory = mkdtempSync('/tmp/shoal-mon-')
  try {
    const script = 'sh -c "exit 7" & echo $! >pid; wait'
    const { control } = processes.spawnMonitor([MONITOR, '-d', directory, '--', '/bin/sh', '-c', script], { stderrPath: join(directory, 'err') })
    await new MonitorProcess(control).closed
    assert.equal((JSON.parse(readFileSync(join(directory, 'exit'), 'utf8')) as { code: number }).code, 137)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('the log of json-file is Docker\'s: a line each, rotated between lines, text that is not UTF-8 marked, what has no end written at the end', { skip }, async () => {
  const lines = (directory: string): readonly { readonly log: string; readonly stream: string; readonly attrs?: object; readonly time: string }[] => ['log.2', 'log.1', 'log'].filter(name => existsSync(join(directory, name)))
    .flatMap(name => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n')).map(line => JSON.parse(line) as { readonly log: string; readonly stream: string; readonly time: string })
  await withMonitor('printf "a \\"b\\" <&> \\\\\\\\ \\t \\303\\251 \\377 \\342\\200\\250\\nrest"; sleep 0.1; echo bad >&2; head -c 40000 /dev/zero | tr "\\0" x; echo', ['-j', '{"k":"v"}'], async (monitor, directory) => {
    await monitor.exited
    const found = lines(directory)
    assert.deepEqual(found[0]?.log, 'a "b" <&> \\ \t \u00e9 \ufffd \u2028\n')
    assert.deepEqual([found.find(({ stream }) => stream === 'stderr')?.log, found[0]?.attrs], ['bad\n', { k: 'v' }])
    assert.deepEqual(found.slice(1).filter(({ stream }) => stream === 'stdout').map(({ log }) => log.length), [16_384, 16_384, 40_005 - 2 * 16_384], 'long lines are in pieces')
    assert.match(found[0]?.time ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
    assert.match(readFileSync(join(directory, 'log'), 'utf8'), /^\{"log":"a \\"b\\" \\u003c\\u0026\\u003e \\\\ \\u0009 é \\ufffd \\u2028\\n","stream":"stdout","attrs":\{"k":"v"\},"time":"/)
  })
  await withMonitor('seq 1 3000; printf end', ['-j', '', '-m', '20000', '-n', '3'], async (monitor, directory) => {
    await monitor.exited
    for (const name of ['log', 'log.1', 'log.2']) assert.ok(statSync(join(directory, name)).size <= 20_000)
    const texts = lines(directory).map(({ log }) => log)
    assert.deepEqual(texts.slice(-3), ['2999\n', '3000\n', 'end'])
    const numbers = texts.slice(0, -1).map(Number)
    assert.deepEqual(numbers, numbers.map((_, at) => (numbers[0] ?? 0) + at))
  })
})
