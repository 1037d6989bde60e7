import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encode } from '../../api/codec/codec.ts'
import { readState } from '../../api/swarm/state-summary.ts'
import { streamOf, type RpcClient } from '../../base/rpc.ts'
import { FakeClock } from '../../platform/clock/fake-clock.ts'
import { MemoryLogger } from '../../platform/log/memory-logger.ts'
import { openBackup } from '../../platform/backup/open-backup.ts'
import { ScheduledBackups, type BackupSchedule } from './scheduled-backups.ts'

const HOUR_MS = 3_600_000
const PASSPHRASE = 'correct horse'

/** A manager with one service, in a folder of its own. */
class World implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), 'shoal-backups-'))
  readonly folder = join(this.root, 'backups')
  readonly clock = new FakeClock()
  readonly logger = new MemoryLogger()
  isManager = true
  readonly schedule: { -readonly [K in keyof BackupSchedule]: BackupSchedule[K] } = { swarmBackupFolder: this.folder, swarmBackupIntervalMs: HOUR_MS, swarmBackupsKept: 3, swarmBackupPassphraseFile: join(this.root, 'passphrase') }
  readonly backups: ScheduledBackups

  constructor() {
    writeFileSync(this.schedule.swarmBackupPassphraseFile, `${PASSPHRASE}\n`)
    const records = [encode('SnapshotRecord', { header: { format: 1, version: 7 } }), encode('SnapshotRecord', { object: { cluster: { id: 'c1' } } }), encode('SnapshotRecord', { object: { service: { id: 's1', spec: { annotations: { name: 'web' } } } } })]
    const client = { stream: () => streamOf({ records }) } as unknown as RpcClient
    this.backups = new ScheduledBackups({ schedule: () => this.schedule, manager: () => (this.isManager ? { client, clusterId: 'c1', nodeId: 'n1' } : undefined), clock: this.clock, logger: this.logger })
  }

  names(): readonly string[] { return readdirSync(this.folder).sort() }

  /** Time passes, and it is looked whether one is due. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms)
    await this.backups.saveIfDue(new AbortController().signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backups[Symbol.asyncDispose]()
    rmSync(this.root, { recursive: true, force: true })
  }
}

test('a manager saves the cluster when it is due, keeps the newest, and clears what a crash left', async () => {
  await using world = new World()
  await world.pass(1_000)
  assert.equal(world.names().length, 1)
  const [first = ''] = world.names()
  assert.match(first, /^swarm-c1-n1-\d{8}T\d{6}Z\.backup$/)
  const { summary } = await readState(openBackup(streamOf(readFileSync(join(world.folder, first))), PASSPHRASE))
  assert.deepEqual(summary.services, ['web'])
  writeFileSync(join(world.folder, 'swarm-c1-n1-20200101T000000Z.backup.new'), 'half')
  writeFileSync(join(world.folder, 'swarm-c1-n2-20200101T000000Z.backup'), 'of another manager')
  await world.pass(HOUR_MS / 2)
  assert.equal(world.names().length, 3)
  for (let i = 0; i < 4; i++) await world.pass(HOUR_MS + 1_000)
  const own = world.names().filter(name => name.startsWith('swarm-c1-n1-'))
  assert.equal(own.length, 3)
  assert.ok(!own.includes(first))
  assert.ok(world.names().includes('swarm-c1-n2-20200101T000000Z.backup'))
  assert.equal(world.backups.failure, '')
})

test('what keeps it from saving is told until it goes well again, and leaves no half file', async () => {
  await using world = new World()
  rmSync(world.schedule.swarmBackupPassphraseFile)
  await world.pass(1_000)
  assert.match(world.backups.failure, /passphrase/)
  assert.ok(world.logger.lines.some(({ level }) => level === 'error'))
  assert.deepEqual(world.names(), [])
  writeFileSync(world.schedule.swarmBackupPassphraseFile, PASSPHRASE)
  await world.pass(31_000)
  assert.equal(world.backups.failure, '')
  assert.equal(world.names().length, 1)
})

test('without a folder, and on a host that is no manager, nothing is written', async () => {
  await using world = new World()
  world.isManager = false
  await world.pass(5_000)
  world.isManager = true
  world.schedule.swarmBackupFolder = ''
  await world.pass(5_000)
  assert.deepEqual(readdirSync(world.root), ['passphrase'])
})
