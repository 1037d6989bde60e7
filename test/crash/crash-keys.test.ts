/** A manager is killed at each effect of a rotation of its keys (unlock key, key of the node, data key): it starts with the old or the new unlock key, and nothing is lost. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { MANAGER_ADMIN_RPC } from '../../src/api/codec/methods.ts'
import type { UseNodeKeysRequest } from '../../src/api/swarm/control.ts'
import { hasCode } from '../../src/base/errors.ts'
import type { RpcClient } from '../../src/base/rpc.ts'
import type { KvStore } from '../../src/base/storage.ts'
import { createUnlockKey } from '../../src/ca/unlock-key.ts'
import { LockKeeper } from '../../src/daemon/lock-keeper.ts'
import { ManagerSecrets, type RotatingLog } from '../../src/daemon/manager-secrets.ts'
import { NodeLock } from '../../src/daemon/node-lock.ts'
import { CertificateFiles } from '../../src/platform/certificates/certificate-files.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { InlineLog } from '../../src/platform/storage/inline-log.ts'
import { KeyRing } from '../../src/platform/storage/key-ring.ts'
import { NodeLogDisk } from '../../src/platform/storage/log-disk.ts'
import type { LogKey } from '../../src/platform/storage/log-seal.ts'
import { MemoryStore } from '../../src/platform/storage/memory-store.ts'
import { SegmentLog } from '../../src/platform/storage/segment-log.ts'
import { CrashPoint, Life, type Tear } from '../support/crash-point.ts'
import { createTestCluster } from '../support/test-cluster.ts'

const PARENT = existsSync('/dev/shm') ? '/dev/shm' : '/tmp'
const OWNER = { clusterId: 'c', nodeId: 'n' }
const SEGMENT_BYTES = 8 * 1024
/** No rotation has so many effects. */
const EFFECTS_MAX = 200
const random = new SeededRandom(1)
const [FIRST, SECOND] = [createUnlockKey(random), createUnlockKey(random)]
const CLUSTER = createTestCluster('c')
const [PAIR, RENEWED] = [CLUSTER.node('n', 'manager'), CLUSTER.node('n', 'manager')]
const STATE = ['g/1/o/a', 'g/1/o/b', 'current']

/** A log in this thread, on the real file system. */
class RealLog extends InlineLog implements RotatingLog {
  readonly #log: SegmentLog
  constructor(path: string, keys: readonly LogKey[]) {
    const log = SegmentLog.open(new NodeLogDisk(path), { owner: OWNER, keys, segmentBytes: SEGMENT_BYTES })
    super(() => log)
    this.#log = log
  }
  get keyIdsAtOpen(): readonly string[] { return this.#log.keyIds }
  async useKeys(keys: readonly LogKey[]): Promise<void> { this.#log.useKeys(keys) }
}

/** What outlives the processes. */
interface Host { readonly folder: string; readonly data: Map<string, Uint8Array>; readonly acknowledged: string[] }

/** Daemon and manager of a host, from their start on. */
interface Running { readonly lock: NodeLock; readonly files: CertificateFiles; readonly secrets: ManagerSecrets<RealLog> }

/** @returns the unlock key that it started with */
async function start(host: Host, unlockKeys: readonly string[], life?: Life): Promise<Running & { readonly unlockKey: string }> {
  const lock = new NodeLock(join(host.folder, 'lock.json'), random)
  lock.load()
  const unlockKey = lock.isLocked ? unlockKeys.find(key => key !== '' && opens(lock, key)) : ''
  assert(unlockKey !== undefined, 'no unlock key, neither the old nor the new one, opens it')
  const store = new MemoryStore(host.data)
  const guarded: KvStore = {
    get: key => store.get(key), range: (from, to) => store.range(from, to), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    batch: writes => life === undefined ? store.batch(writes) : life.later('a batch of the state', () => store.batch(writes)),
  }
  const ring = new KeyRing()
  ring.use(lock.ring.state)
  const secrets = await ManagerSecrets.open({ keyPath: join(host.folder, 'keys.json'), ring, random, openStore: async () => guarded, openLog: async keys => new RealLog(join(host.folder, 'raft'), keys) })
  return { lock, files: new CertificateFiles(host.folder, lock.ring), secrets, unlockKey }
}

function opens(lock: NodeLock, unlockKey: string): boolean {
  try {
    lock.unlock(unlockKey)
    return true
  } catch (error) {
    if (!hasCode(error, 'wrong-unlock-key')) throw error
    return false
  }
}

/** The cluster's unlock key becomes `target`; resolves when the keeper has done with it. */
async function rotate({ lock, files, secrets }: Running, target: string): Promise<void> {
  let isKept: () => void = () => {}
  const kept = new Promise<void>(resolve => { isKept = resolve })
  const client: Pick<RpcClient, 'stream' | 'unary'> = {
    stream: (async function* () {
      yield { unlockKey: target }
      isKept()
    }) as unknown as RpcClient['stream'],
    unary: (async (method: unknown, { keys, sealing }: UseNodeKeysRequest) => {
      assert.equal(method, MANAGER_ADMIN_RPC.useNodeKeys)
      await secrets.use({ keys, isSealing: sealing })
      return {}
    }) as unknown as RpcClient['unary'],
  }
  const load = async (): Promise<{ certPem: string; keyPem: string }> => {
    const { certPem = '', keyPem = '' } = await files.load() ?? {}
    return { certPem, keyPem }
  }
  const keeper = new LockKeeper({ lock, client: client as RpcClient, certificates: { save: async () => files.saveNode(await load()), renew: () => files.saveNode(RENEWED) }, clock: new FakeClock(), logger: new MemoryLogger() })
  keeper.start()
  await kept
  await keeper[Symbol.asyncDispose]()
}

async function write(host: Host, { secrets }: Running, text: string, life?: Life): Promise<void> {
  await secrets.log.append([Buffer.from(text)])
  // Calls that block return from a dead process, too; nobody hears of it.
  if (life?.isOver !== true) host.acknowledged.push(text)
}

async function check(host: Host, { files, secrets }: Running): Promise<void> {
  const { certPem, keyPem } = await files.load() ?? {}
  assert([PAIR, RENEWED].some(pair => pair.certPem === certPem && pair.keyPem === keyPem), 'the certificate with its key')
  for (const key of STATE) assert.equal(Buffer.from(await secrets.kv.get(key) ?? []).toString(), key)
  const records: string[] = []
  for await (const record of secrets.log.records()) records.push(Buffer.from(record).toString())
  // What was not acknowledged may be there, too.
  assert.deepEqual(records.filter(record => host.acknowledged.includes(record)), host.acknowledged)
}

/** A host whose manager has run with `unlockKey`. */
async function hostWith(unlockKey: string): Promise<Host> {
  const host: Host = { folder: mkdtempSync(join(PARENT, 'shoal-crash-keys-')), data: new Map(), acknowledged: [] }
  const lock = new NodeLock(join(host.folder, 'lock.json'), random)
  lock.begin(unlockKey)
  const files = new CertificateFiles(host.folder, lock.ring)
  await files.saveRoot(CLUSTER.root.certPem)
  await files.saveNode(PAIR)
  const running = await start(host, [unlockKey])
  await running.secrets.kv.batch(STATE.map(key => ({ kind: 'put', key, value: Buffer.from(key) })))
  await write(host, running, 'first')
  await running.secrets.log[Symbol.asyncDispose]()
  return host
}

const ROTATIONS: readonly (readonly [name: string, from: string, to: string])[] = [['autolock is turned on', '', FIRST], ['the unlock key is rotated', FIRST, SECOND], ['autolock is turned off', FIRST, '']]

for (const [name, from, to] of ROTATIONS) {
  test(`killed at every effect while ${name}: it starts with the old or the new unlock key, all is there, and the rotation is finished`, { timeout: 60_000 }, async () => {
    const template = await hostWith(from)
    const startedWith = new Set<string>()
    using crash = new CrashPoint({ descriptors: true })
    let effects = 0
    for (let isDone = false; !isDone; effects++) {
      assert(effects < EFFECTS_MAX, 'the rotation has no end')
      for (const tear of ['before', 'half'] as const) {
        const life = await killed(crash, template, from, to, effects + 1, tear, startedWith)
        isDone = !life.isOver
      }
    }
    assert(effects > 10, `only ${effects} effects`)
    assert.deepEqual([...startedWith].sort(), [from, to].sort(), 'both happen')
    rmSync(template.folder, { recursive: true })
  })
}

/** @returns the life: over if it came to its nth effect */
async function killed(crash: CrashPoint, template: Host, from: string, to: string, nth: number, tear: Tear, startedWith: Set<string>): Promise<Life> {
  const host: Host = { folder: mkdtempSync(join(PARENT, 'shoal-crash-keys-')), data: new Map(template.data), acknowledged: [...template.acknowledged] }
  cpSync(template.folder, host.folder, { recursive: true })
  const life = new Life()
  const work = crash.run(life, async () => {
    const running = await start(host, [from], life)
    life.endAt(nth, tear)
    await rotate(running, to)
    await write(host, running, 'last', life)
  })
  work.catch(() => undefined)
  await Promise.race([work.catch((error: unknown) => { if (!life.isOver) throw error }), life.died])
  const ended = Object.assign(new Life(), { isOver: life.isOver })
  life.end()
  await life.drained()
  try {
    const next = await start(host, [to, from])
    startedWith.add(next.unlockKey)
    await check(host, next)
    await rotate(next, to)
    await write(host, next, 'after')
    assert(next.lock.isFor(to) && !next.lock.isUnsettled)
    const last = await start(host, [to])
    await check(host, last)
    for (const { secrets } of [next, last]) await secrets.log[Symbol.asyncDispose]()
  } catch (error) {
    throw new Error(`killed ${tear === 'before' ? 'before' : 'amid'} effect ${nth}: ${life.trace.at(-1) ?? ''}\n${life.trace.slice(-6).join('\n  ')}\n${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    rmSync(host.folder, { recursive: true })
  }
  return ended
}
