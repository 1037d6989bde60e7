import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CallStreamClient } from '../../../src/api/calls/call-stream-client.ts'
import { make, type Draft } from '../../../src/api/codec/codec.ts'
import { CONTROL_RPC, MANAGER_ADMIN_RPC, RAFT_MEMBERSHIP_RPC } from '../../../src/api/codec/methods.ts'
import type { ManagerStatusResponse, UpdateObjectRequest } from '../../../src/api/swarm/control.ts'
import { defaultClusterSpec } from '../../../src/api/swarm/default-cluster-spec.ts'
import type { Config } from '../../../src/api/swarm/objects.ts'
import { createJoinToken } from '../../../src/ca/join-token.ts'
import type { ManagerConfig, ManagerOrders } from '../../../src/daemon/manager-config.ts'
import { MANAGER_NODE_ARGUMENTS } from '../../../src/daemon/manager-process.ts'
import { CertificateFiles } from '../../../src/platform/certificates/certificate-files.ts'
import { CryptoRandom } from '../../../src/platform/clock/crypto-random.ts'
import type { RpcClient } from '../../../src/base/rpc.ts'
import { SystemClock } from '../../../src/platform/clock/system-clock.ts'
import { createInsecureDialer } from '../../../src/platform/rpc/grpc-dialer.ts'
import { createTestCluster, type TestCluster } from '../../support/test-cluster.ts'
import { Child, until } from './child.ts'
import { LeanCalls } from './lean-calls.ts'
import type { Subject, Writer } from './subject.ts'

const FIRST_PORT = 23777
const CLUSTER_ID = 'benchcluster'
/** As deploy/bin/shoal gives it to a daemon, and a daemon to its manager. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: '2' }
const START_TIMEOUT_MS = 60_000
/** Objects that are made at once before a run. */
const PREPARED_AT_ONCE = 32

/** What ManagerCluster.start can vary. */
export interface ManagerClusterOptions {
  /** Further arguments of node, for each manager: a profile, a limit. */
  readonly nodeArgs?: readonly string[]
  /** Besides that of this process. */
  readonly environment?: Readonly<Record<string, string>>
}

/** Manager processes as the daemon starts them, each with its log and state in a folder of its own: mutual TLS between them, a Unix socket for callers of their host. */
export class ManagerCluster implements Subject {
  readonly name = 'shoal'
  readonly #folder: string
  readonly #trust: TestCluster = createTestCluster(CLUSTER_ID)
  readonly #nodeArgs: readonly string[]
  readonly #environment: Readonly<Record<string, string>>
  readonly #children: Child[] = []
  readonly #dialer = createInsecureDialer()

  private constructor(folder: string, { nodeArgs = [], environment = {} }: ManagerClusterOptions) {
    this.#folder = folder
    this.#nodeArgs = nodeArgs
    this.#environment = { ...ENVIRONMENT, ...environment }
  }

  static async start(folder: string, count: number, options: ManagerClusterOptions = {}): Promise<ManagerCluster> {
    const cluster = new ManagerCluster(folder, options)
    for (let i = 0; i < count; i++) await cluster.add()
    return cluster
  }

  get pids(): readonly number[] { return this.#children.map(child => child.pid) }

  /** Founds the cluster or joins it, and waits until the new manager is a voter. @returns its number */
  async add(timeoutMs = START_TIMEOUT_MS): Promise<number> {
    const i = this.#children.length
    this.#children.push(new Child(process.execPath, [...MANAGER_NODE_ARGUMENTS, ...this.#nodeArgs, fileURLToPath(new URL('../../../src/daemon/manager-main.js', import.meta.url)), await this.#configure(i)], JSON.stringify(this.#orders(i)), this.#environment))
    await until(`manager ${i} is a voter`, timeoutMs, async () => {
      await using client = this.#dialer.dial(this.#socket(i))
      const { members, selfId } = await client.unary(RAFT_MEMBERSHIP_RPC.members, {})
      const self = members.find(member => member.raftId === selfId)
      return (await this.status(i)).hasLeader && self !== undefined && !self.learner ? true : undefined
    })
    return i
  }

  async status(i: number): Promise<ManagerStatusResponse> {
    await using client = this.#dialer.dial(this.#socket(i))
    return await client.unary(MANAGER_ADMIN_RPC.status, {})
  }

  /** The number of the manager that leads. */
  async leader(): Promise<number> {
    return until('a manager leads', START_TIMEOUT_MS, async () => {
      for (let i = 0; i < this.#children.length; i++) if ((await this.status(i)).leader) return i
      return undefined
    })
  }

  /** As a daemon calls the manager of its host. */
  async caller(): Promise<RpcClient> { return new CallStreamClient(this.#dialer, this.#socket(await this.leader()), new SystemClock()) }

  /** Each key is a config; a put is an update of its one label, with the version the last one answered. */
  async writer(keys: number): Promise<Writer> {
    await using caller = await this.caller()
    const configs: Config[] = []
    for (let first = 0; first < keys; first += PREPARED_AT_ONCE) {
      configs.push(...await Promise.all(Array.from({ length: Math.min(PREPARED_AT_ONCE, keys - first) }, (_, i) => createConfig(caller, `key-${process.pid}-${performance.now()}-${first + i}`))))
    }
    const calls = await LeanCalls.connect(this.#socket(await this.leader()))
    return {
      put: async (key, value) => { configs[key] = await updateConfig(calls, configs[key] as Config, value) },
      [Symbol.asyncDispose]: async () => calls[Symbol.dispose](),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> { await Promise.all(this.#children.map(child => child[Symbol.asyncDispose]())) }

  #socket(i: number): string { return `unix:${join(this.#folder, `manager${i}.sock`)}` }

  async #configure(i: number): Promise<string> {
    const nodeId = `benchnode${i}`
    const stateFolder = join(this.#folder, `manager${i}`)
    const certificateFolder = join(this.#folder, `certificates${i}`)
    mkdirSync(stateFolder, { recursive: true })
    const { rootCertsPem, certPem, keyPem } = this.#trust.node(nodeId, 'manager')
    const files = new CertificateFiles(certificateFolder)
    await files.saveRoot(rootCertsPem)
    await files.saveNode({ certPem, keyPem })
    const address = `127.0.0.1:${FIRST_PORT + i}`
    const config: ManagerConfig = {
      nodeId, clusterId: CLUSTER_ID, listenAddress: address, advertiseAddress: address, socketPath: this.#socket(i).slice('unix:'.length), certificateFolder, stateFolder, logLevel: 'error',
      ...(i === 0 ? {} : { joinAddress: `127.0.0.1:${FIRST_PORT}` }),
    }
    const path = join(this.#folder, `manager${i}.json`)
    writeFileSync(path, JSON.stringify(config))
    return path
  }

  #orders(i: number): ManagerOrders {
    const ring = { keys: [], isSealing: false }
    if (i > 0) return { ring }
    const { root } = this.#trust
    const token = (): string => createJoinToken(root.certPem, new CryptoRandom())
    return {
      ring,
      bootstrap: {
        rootCertPem: root.certPem, rootKeyPem: root.keyPem, workerToken: token(), managerToken: token(), addressPool: [], subnetSize: 0, dataPathPort: 0,
        spec: defaultClusterSpec(), availability: 'active', unlockKey: '',
      },
    }
  }
}

/** A config of this name with some data. */
export async function createConfig(caller: RpcClient, name: string, data: Uint8Array = new Uint8Array([1])): Promise<Config> {
  const { object } = await caller.unary(CONTROL_RPC.create, { spec: { config: make('ConfigSpec', { annotations: { name: name.replaceAll('.', '_') }, data }) } })
  if (object?.config === undefined) throw new Error('the manager answered without a config')
  return object.config
}

async function updateConfig(calls: LeanCalls, config: Config, value: string): Promise<Config> {
  const { encodeRequest, decodeResponse, path } = CONTROL_RPC.update
  const spec = { config: { annotations: { name: config.spec?.annotations?.name ?? '', labels: { value } } } }
  const request: Draft<UpdateObjectRequest> = { kind: 'config', id: config.id, version: config.meta?.version ?? 0, spec }
  const { object } = decodeResponse(await calls.call(path, encodeRequest(request as UpdateObjectRequest)))
  if (object?.config === undefined) throw new Error('the manager answered without a config')
  return object.config
}
