/** Three managers; the disk of the leader fills up. Nothing that was acknowledged is lost, the others go on, and it comes back by itself when there is room. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { canRunContainers } from '../e2e/engine-fixture.ts'
import { eventually, Lab, type Output } from '../support/lab.ts'

const skip = canRunContainers() ? false : 'needs root, busybox-static, crun or runc, and agent/monitor built'
const DISK_MB = 96
const CHUNK_BYTES = 64 * 1024
/** As much as one argument of a command may hold. */
const LABEL_BYTES = 100_000
const LABELS = 8
/** Of the raft log (src/platform/storage/segment-log.ts), and as many as it has in store. */
const SEGMENT_BYTES = 16 * 1024 * 1024
const SEGMENTS_READY = 2

/** Takes the last byte of the host's disk, which only its mount namespace sees. */
function fill(lab: Lab, folder: string): void {
  const pid = readFileSync(join(lab.folder, 'h1/host.pid'), 'utf8').trim()
  const file = openSync(join(`/proc/${pid}/root`, folder, 'ballast'), 'w')
  const takes = (bytes: Buffer): boolean => {
    try {
      return writeSync(file, bytes) > 0
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
      return false
    }
  }
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let size = CHUNK_BYTES; size >= 512; size /= 2) while (takes(chunk.subarray(0, size))) continue
  closeSync(file)
}

test('the leader\'s disk is full: the others elect, every acknowledged service is there, info and log say why, and with room it is back by itself', { skip, timeout: 300_000 }, async () => {
  await using lab = await Lab.up('shoaldisk', 3, { images: false })
  const onHost = (...command: readonly string[]): string => execFileSync('bash', [lab.script, 'exec', '1', ...command], { env: { ...process.env, LAB: lab.name } }).toString()
  await lab.lab('stop', '1')
  const data = join(lab.folder, 'h1/data')
  const image = join(lab.folder, 'disk.img')
  const passphrase = join(lab.folder, 'passphrase')
  const backups = join(lab.folder, 'backups')
  writeFileSync(passphrase, 'correct horse battery staple')
  rmSync(data, { recursive: true, force: true })
  mkdirSync(data)
  execFileSync('truncate', ['-s', `${DISK_MB}M`, image])
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image])
  onHost('mount', '-o', 'loop', image, data)
  await lab.start(1, '--swarm-backup-dir', backups, '--swarm-backup-interval', '2s', '--swarm-backup-keep', '2', '--swarm-backup-passphrase-file', passphrase)
  await lab.form(3, 3)
  const create = (name: string): Promise<Output> =>
    lab.dockerWith({ timeoutMs: 20_000 }, 2, 'service', 'create', '-d', '--name', name, '--replicas', '0', ...Array.from({ length: LABELS }, (_, at) => ['--label', `big${at}=${'x'.repeat(LABEL_BYTES)}`]).flat(), 'busybox', 'true')
  await eventually('h1 leads three managers', 15_000, async () => (await lab.ok(2, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')).split('\n').map(line => line.trim()).sort().join() === 'h1 Leader,h2 Reachable,h3 Reachable' || undefined)
  fill(lab, data)
  const taken: string[] = []
  const isOut = async (): Promise<boolean> => /The manager of this host does not run: .*no space left on device.*MiB free/i.test((await lab.docker(1, 'info')).stderr)
  let out = false
  for (let at = 0; !out && at < SEGMENTS_READY * SEGMENT_BYTES / LABEL_BYTES / LABELS + 20; at++) {
    const answer = await create(`s${at}`)
    if (answer.status === 0) taken.push(`s${at}`)
    out = await isOut()
  }
  assert.ok(out || await eventually('info says why the manager does not run', 20_000, async () => await isOut() || undefined))
  assert.match(lab.log(1), /no space left on device/i)
  await eventually('another leads', 20_000, async () => /^h[23] *Leader$/m.test(await lab.ok(2, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')) || undefined)
  await eventually('writes are taken', 20_000, async () => (await create('after')).status === 0 || undefined)
  onHost('rm', '-f', join(data, 'ballast'))
  await eventually('h1 is back', 30_000, async () => /^h1 *Reachable$/m.test(await lab.ok(2, 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}')) || undefined)
  await eventually('info says nothing of it any more', 10_000, async () => !/WARNING: The manager/.test((await lab.docker(1, 'info')).stderr) || undefined)
  const names = (await lab.ok(1, 'service', 'ls', '--format', '{{.Name}}')).split('\n')
  for (const name of [...taken, 'after']) assert.ok(names.includes(name), `${name} is not in ${names.join(' ')}`)

  // Its backups go on, half a minute after one that failed at the latest, and the newest has all of it.
  const newest = await eventually('a backup with the last service', 60_000, async () => {
    const [file] = execFileSync('ls', ['-r', backups]).toString().split('\n')
    const { stdout } = await lab.shoal(1, 'swarm', 'verify', '--passphrase-file', passphrase, join(backups, file ?? ''))
    // As many as there are: one that got no answer may be there, too.
    return new RegExp(`Services: ${names.length} `).test(stdout) ? stdout : undefined
  })
  assert.match(newest, /of these managers: h1, h2, h3/)
})
