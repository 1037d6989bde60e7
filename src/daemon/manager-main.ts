/** The manager process: consensus, the replicated store, control loops. Started by the daemon with the path of its configuration; outlives it. */
import { createReadStream, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Manager } from '../../manager/manager.ts'
import type { RestoredState } from '../../manager/restored-cluster.ts'
import { messageOf } from '../base/errors.ts'
import { openBackup } from '../platform/backup/open-backup.ts'
import { CryptoRandom } from '../platform/clock/crypto-random.ts'
import { inNextTurn } from '../platform/clock/next-turn.ts'
import { SystemClock } from '../platform/clock/system-clock.ts'
import { PinoLogger } from '../platform/log/pino-logger.ts'
import { GrpcDialer } from '../platform/rpc/grpc-dialer.ts'
import { GrpcServer } from '../platform/rpc/grpc-server.ts'
import { KeyRing } from '../platform/storage/key-ring.ts'
import { LevelStore } from '../platform/storage/level-store.ts'
import { ThreadedLog } from '../platform/storage/threaded-log.ts'
import { FailureNote } from './failure-note.ts'
import { FolderGuard } from './folder-guard.ts'
import { withDisk } from './full-disk.ts'
import type { ClusterRestore, ManagerConfig, ManagerOrders } from './manager-config.ts'
import { markLeft, putAwayLeftState } from './left-state.ts'
import { ManagerSecrets } from './manager-secrets.ts'
import { WatchedCertificates } from './watched-certificates.ts'

const STDIN = 0
const CONFIG_PATH = process.argv[2] ?? ''
/** The process is started again by its daemon after any other end than this one. */
const EXIT_REMOVED = 3

async function main(config: ManagerConfig, orders: ManagerOrders): Promise<void> {
  const logger = PinoLogger.create(config.logLevel).with({ process: 'manager' })
  const [clock, random] = [new SystemClock(), new CryptoRandom()]
  const ring = new KeyRing()
  ring.use({ keys: orders.ring.keys.map(({ id, key }) => ({ id, key: Uint8Array.from(Buffer.from(key, 'base64')) })), isSealing: orders.ring.isSealing })
  const certificates = await WatchedCertificates.open(config.certificateFolder, ring, logger)
  const credentials = certificates.source
  putAwayLeftState(config.stateFolder)
  mkdirSync(config.stateFolder, { recursive: true, mode: 0o700 })
  const secrets = await ManagerSecrets.open({
    keyPath: join(config.stateFolder, 'keys.json'), ring, random,
    openStore: () => LevelStore.open(join(config.stateFolder, 'state')),
    openLog: keys => ThreadedLog.open(join(config.stateFolder, 'raft'), { owner: { clusterId: config.clusterId, nodeId: config.nodeId }, keys }),
  })
  const { kv, log } = secrets
  const manager = await Manager.start({
    clock, random, logger, kv, log, dialer: new GrpcDialer({ credentials }), server: new GrpcServer({ credentials, logger }), localServer: new GrpcServer({ credentials, logger }),
    listenAddress: config.listenAddress, localAddress: `unix:${config.socketPath}`, advertiseAddress: config.advertiseAddress, nodeId: config.nodeId, clusterId: config.clusterId, later: inNextTurn,
    ...(orders.bootstrap === undefined ? {} : { bootstrap: orders.bootstrap }), ...(orders.forceNewCluster === undefined ? {} : { forceNewCluster: orders.forceNewCluster }), ...(config.joinAddress === undefined ? {} : { joinAddress: config.joinAddress }),
    ...(config.contacts === undefined ? {} : { contacts: config.contacts }), ...(orders.restore === undefined ? {} : { restore: restoredState(orders.restore) }),
    ...(config.raftTickMs === undefined ? {} : { raftTickMs: config.raftTickMs }), pid: process.pid, onStop: () => { process.kill(process.pid, 'SIGTERM') },
    onNodeKeys: state => {
      const rotated = secrets.use(state)
      certificates.reload()
      rotated?.then(() => logger.info('the raft log goes on under a new key'), (err: unknown) => logger.error('the raft log could not go on under a new key', { err }))
    },
  })
  failureNote().clear()
  const guard = new FolderGuard([config.stateFolder, join(config.stateFolder, 'raft'), join(config.stateFolder, 'state')], clock, path => {
    // At once: what would be written now, nobody would find again.
    logger.error('the folder of this manager was removed or replaced while it ran', { path })
    failureNote().write(`the folder ${path} was removed or replaced while this manager ran: it ended, and is started again with what is there now. Stop the daemon, then its manager, before you touch their folders`)
    process.exit(1)
  })
  const end = (exitCode: number): void => {
    guard[Symbol.dispose]()
    certificates[Symbol.dispose]()
    manager[Symbol.asyncDispose]().then(() => log[Symbol.asyncDispose]()).then(() => kv[Symbol.asyncDispose]()).then(() => process.exit(exitCode), (err: unknown) => {
      logger.error('stopping failed', { err })
      process.exit(1)
    })
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(0))
  const stop = await manager.stopped
  if (stop.kind === 'disposed') return
  if (stop.kind === 'failed') {
    failureNote().write(withDisk(messageOf(stop.error), config.stateFolder))
    logger.error('this manager takes part no more', { err: stop.error })
  } else {
    // Should this node be a manager again, it is a new one.
    markLeft(config.stateFolder, stop.kind)
    logger.warn(stop.kind === 'removed' ? 'this manager was removed from the cluster' : 'the cluster was started anew from another manager while this one was away: its state is put aside, and it takes the role that it has there')
  }
  end(stop.kind === 'failed' ? 1 : EXIT_REMOVED)
}

function restoredState({ file, passphrase, workerGraceMs, availability }: ClusterRestore): RestoredState {
  return { records: () => openBackup(createReadStream(file), passphrase), workerGraceMs, availability }
}

/** Lies beside the configuration, where the daemon looks for it. */
function failureNote(): FailureNote { return new FailureNote(dirname(CONFIG_PATH)) }

process.on('unhandledRejection', (error: unknown) => {
  process.stderr.write(`unhandled rejection in the manager: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n`)
  process.exit(70)
})

// None: the daemon ended before it gave any, and does not know of this process.
const orders = readFileSync(STDIN, 'utf8')
if (orders === '') process.exit(0)
const config = JSON.parse(readFileSync(CONFIG_PATH, 'utf8')) as ManagerConfig
try {
  await main(config, JSON.parse(orders) as ManagerOrders)
} catch (error) {
  failureNote().write(withDisk(messageOf(error), config.stateFolder))
  process.stderr.write(`shoal manager: ${messageOf(error)}\n`)
  process.exit(1)
}
