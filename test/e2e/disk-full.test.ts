import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, Lab, type Output } from '../support/lab.ts'
import { canRunContainers } from './engine-fixture.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
const DISK_MB = 96
/** So that they can be used up. */
const INODES = 3000
/** Enough to begin with most things, for no big one's end. */
const INODES_LEFT = 40
const FILES = 200
const CHUNK_BYTES = 64 * 1024
/** As much as one argument of a command may hold. */
const LABEL_BYTES = 100_000
const LABELS = 8
/** Of the raft log (src/platform/storage/segment-log.ts). */
const SEGMENT_BYTES = 16 * 1024 * 1024
const NO_SPACE = /no space left on device/i

let lab: Lab
let data: string
let exec: string

/** One host whose data is on a disk of its own, and whose run-time files on another. */
before(async () => {
  if (skip !== false) return
  lab = await Lab.up('shoalfull', 1, { images: false })
  await lab.lab('stop', '1')
  data = join(lab.folder, 'h1/data')
  exec = join(lab.folder, 'h1/exec')
  const image = join(lab.folder, 'disk.img')
  for (const folder of [data, exec]) { rmSync(folder, { recursive: true, force: true }); mkdirSync(folder) }
  execFileSync('truncate', ['-s', `${DISK_MB}M`, image])
  execFileSync('mkfs.ext4', ['-q', '-m', '0', '-N', String(INODES), image])
  onHost('mount', '-o', 'loop', image, data)
  onHost('mount', '-t', 'tmpfs', '-o', 'size=4m', 'none', exec)
  await lab.start(1)
  await lab.importBusybox([1])
  await lab.form(1, 1)
})

/** The mounts are the host's own and go with its namespace; the loop device detaches itself with its mount. */
after(async () => { if (skip === false) await lab[Symbol.asyncDispose]() })

function onHost(...command: readonly string[]): string { return execFileSync('bash', [lab.script, 'exec', '1', ...command], { env: { ...process.env, LAB: lab.name } }).toString() }

/** Takes the last byte of a file system that only the host sees. */
function fill(folder: string): void {
  const pid = onHost('cat', join(lab.folder, 'h1/host.pid')).trim()
  const file = openSync(join(`/proc/${pid}/root`, folder, 'ballast'), 'w')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  try {
    for (let size = CHUNK_BYTES; size >= 512; size /= 2) while (takes(file, chunk.subarray(0, size))) continue
  } finally {
    closeSync(file)
  }
}

function takes(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) > 0
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
    return false
  }
}

/** Leaves room in bytes, but none for more than a few files. */
function takeInodes(folder: string): void {
  const root = join('/proc', onHost('cat', join(lab.folder, 'h1/host.pid')).trim(), 'root', folder)
  mkdirSync(join(root, 'ballast'))
  for (let at = statfsSync(root).ffree - INODES_LEFT; at > 0; at--) writeFileSync(join(root, 'ballast', String(at)), '')
}

function makeRoom(folder: string): void { onHost('rm', '-rf', join(folder, 'ballast')) }

/** What is registered, and what lies about half done. */
async function inventory(): Promise<string> {
  const [images, containers, volumes, networks] = await Promise.all([lab.ok(1, 'images', '-aq', '--no-trunc'), lab.ok(1, 'ps', '-aq'), lab.ok(1, 'volume', 'ls', '-q'), lab.ok(1, 'network', 'ls', '-q')])
  return [images, containers, volumes, networks, onHost('sh', '-c', `cd ${data} && ls images/configs layers/*.json layers/tmp containers snapshots volumes networks build/running`)].join('\n')
}

test('a full data-root refuses what needs room with the reason, keeps what is there, and works again after', { skip, timeout: 60_000 }, async () => {
  await lab.ok(1, 'run', '-d', '--name', 'kept', '--network', 'none', 'busybox', 'sh', '-c', 'while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 7')
  fill(data)
  const refused = await lab.docker(1, 'run', '--name', 'late', '--network', 'none', 'busybox', 'true')
  assert.notEqual(refused.status, 0)
  assert.match(refused.stderr, NO_SPACE)
  assert.match(await lab.ok(1, 'ps', '--format', '{{.Names}}'), /kept/)
  await lab.docker(1, 'kill', 'kept')
  assert.equal(await lab.ok(1, 'inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'kept'), 'exited 137')
  await lab.ok(1, 'rm', 'kept')
  makeRoom(data)
  assert.equal(await lab.ok(1, 'run', '--rm', '--network', 'none', 'busybox', 'echo', 'again'), 'again')
})

test('whatever makes files says that there is no room for them, leaves nothing half registered, and works again after', { skip, timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-full-'))
  try {
    mkdirSync(join(folder, 'context/files'), { recursive: true })
    for (let at = 0; at < FILES; at++) writeFileSync(join(folder, 'context/files', String(at)), String(at))
    writeFileSync(join(folder, 'context/Dockerfile'), 'FROM busybox\nCOPY files /files\n')
    const [tar, saved] = [join(folder, 'files.tar'), join(folder, 'saved.tar')]
    execFileSync('tar', ['-C', join(folder, 'context'), '-cf', tar, 'files'])
    await lab.ok(1, 'import', tar, 'saved')
    await lab.ok(1, 'save', '-o', saved, 'saved')
    await lab.ok(1, 'rmi', 'saved')
    await lab.ok(1, 'build', '-q', '-t', 'filled', join(folder, 'context'))
    await lab.ok(1, 'run', '-d', '--name', 'lives', '--network', 'none', 'busybox', 'sleep', '1000')
    const before = await inventory()
    const commands: readonly (readonly string[])[] = [
      ['import', tar, 'imported'], ['load', '-i', saved], ['build', '-q', '--no-cache', '-t', 'built', join(folder, 'context')], ['run', '--rm', '--network', 'none', '-v', '/files', 'filled', 'true'],
      ['run', '--rm', '--network', 'none', 'busybox', 'sh', '-c', `for i in $(seq ${FILES}); do echo >/$i || exit 9; done`], ['cp', join(folder, 'context/files'), 'lives:/'], ['network', 'create', 'late'], ['commit', 'lives', 'committed'],
    ]
    for (const take of [takeInodes, fill]) {
      take(data)
      // The small ones of these fit into the few files that are left.
      for (const command of take === takeInodes ? commands.slice(0, 5) : commands) {
        const refused = await lab.docker(1, ...command)
        assert.notEqual(refused.status, 0, command.join(' '))
        assert.match(refused.stderr, NO_SPACE, command.join(' '))
      }
      assert.equal(await inventory(), before)
      assert.equal(await lab.ok(1, 'exec', 'lives', 'echo', 'still'), 'still')
      makeRoom(data)
    }
    for (const command of commands) await lab.ok(1, ...command)
    await lab.ok(1, 'rm', '-f', 'lives')
    await lab.ok(1, 'network', 'rm', 'late')
    await lab.ok(1, 'rmi', 'imported', 'saved', 'built', 'filled', 'committed')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a full exec-root refuses a start with the reason, and the start works after', { skip, timeout: 60_000 }, async () => {
  await lab.ok(1, 'create', '--name', 'runs', '--network', 'none', 'busybox', 'true')
  fill(exec)
  const refused = await lab.docker(1, 'start', '-a', 'runs')
  assert.notEqual(refused.status, 0)
  assert.match(refused.stderr, NO_SPACE)
  makeRoom(exec)
  await lab.ok(1, 'start', '-a', 'runs')
  await lab.ok(1, 'rm', 'runs')
})

test('a cluster whose manager has no room refuses services once its log needs some, keeps those it took, and takes more when there is room', { skip, timeout: 120_000 }, async () => {
  const create = (name: string): Promise<Output> =>
    lab.dockerWith({ timeoutMs: 20_000 }, 1, 'service', 'create', '-d', '--name', name, '--replicas', '0',
      ...Array.from({ length: LABELS }, (_, at) => ['--label', `big${at}=${'x'.repeat(LABEL_BYTES)}`]).flat(), 'busybox', 'true')
  const taken = ['before']
  await lab.ok(1, 'service', 'create', '-d', '--name', 'before', '--replicas', '0', 'busybox', 'true')
  fill(data)
  // The log's segment was written beforehand, so it has room for a while.
  let refused: Output | undefined
  for (let at = 0; refused === undefined && at < SEGMENT_BYTES / LABEL_BYTES / LABELS + 10; at++) {
    const answer = await create(`during${at}`)
    if (answer.status === 0) taken.push(`during${at}`)
    else refused = answer
  }
  assert.ok(refused !== undefined, 'accepted without room to write it down')
  makeRoom(data)
  await eventually('a service is taken again', 20_000, async () => {
    const { status, stderr } = await lab.docker(1, 'service', 'create', '-d', '--name', 'later', '--replicas', '0', 'busybox', 'true')
    // One whose answer got lost is there as well.
    return status === 0 || /name conflicts with an existing object/.test(stderr) || undefined
  })
  const names = (await lab.ok(1, 'service', 'ls', '--format', '{{.Name}}')).split('\n')
  for (const name of [...taken, 'later']) assert.ok(names.includes(name), `${name} is not in ${names.join(' ')}`)
})
