import { cpus, hostname, machine, totalmem } from 'node:os'
import { join } from 'node:path'
import { Agent } from '../../agent/agent.ts'
import type { Engine } from '../../agent/engine/engine.ts'
import type { LocalEngine } from '../../agent/engine/local-engine.ts'
import { pullImage } from '../../agent/exec/pull-image.ts'
import { EngineExecutor } from '../../agent/exec/engine-executor.ts'
import { nodeDescription } from '../../agent/exec/node-description.ts'
import type { PlainAttachments } from '../../agent/exec/plain-attachments.ts'
import type { NodeDescription } from '../api/swarm/objects.ts'
import type { GenericResource } from '../api/swarm/specs.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { KvStore } from '../base/storage.ts'
import { toHost } from '../../agent/kernel/id-mapping.ts'
import { MemoryFiles } from '../platform/files/memory-files.ts'
import type { DaemonConfig } from './daemon-config.ts'
import type { NodeAgent, NodeAgentOptions } from './swarm-node-parts.ts'
import { tlsInfoOf } from './tls-info.ts'
import { VERSION } from './version.ts'

const READY_POLL_MS = 20

/** What a node agent is built of. */
export interface NodeAgentParts {
  readonly engine: Pick<LocalEngine, keyof Engine | 'idMapping'>
  readonly attachments: PlainAttachments
  readonly config: () => DaemonConfig
  /** Tasks and their statuses; owned by the caller. */
  readonly kv: KvStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** This host's agent with the engine behind it. */
export async function createNodeAgent(parts: NodeAgentParts, options: NodeAgentOptions): Promise<NodeAgent> {
  const { engine, attachments, config, kv, clock, random, logger } = parts
  const executor = new EngineExecutor({
    engine, attachments, clock, logger, pullImage: (request, signal) => pullImage(engine.images, request, signal), files: new MemoryFiles(join(config().execRoot, 'task-files'), owner => (engine.idMapping === undefined ? owner : toHost(engine.idMapping, owner))), describe: async () => describe(config(), options),
  })
  const agent = new Agent({
    clock, random, logger, executor, kv, dialer: options.dialer, nodeId: options.state.nodeId, managers: options.state.managers.map(({ addr }) => addr),
    events: { onNode: options.onNode, onRootCa: options.onRootCa, onManagers: managers => { options.onManagers(managers.map(({ nodeId, addr }) => ({ nodeId, addr }))) } },
  })
  attachments.connect(agent)
  return {
    start: async () => agent.start(),
    untilReady: async signal => {
      while (!agent.state.isConnected) await clock.sleep(READY_POLL_MS, signal)
    },
    get isConnected() { return agent.state.isConnected },
    get refusal() { return agent.state.refusal },
    useManagers: async addresses => agent.useManagers(addresses),
    removeTasks: async () => agent.removeTasks(),
    async [Symbol.asyncDispose]() {
      attachments.connect(undefined)
      await agent[Symbol.asyncDispose]()
      await executor[Symbol.asyncDispose]()
    },
  }
}

function describe(config: DaemonConfig, options: NodeAgentOptions): NodeDescription {
  return nodeDescription({
    hostname: hostname(), architecture: machine(), cpus: cpus().length, memoryBytes: totalmem(), engineVersion: VERSION, dataAddress: options.dataAddress(),
    engineLabels: Object.fromEntries(config.labels.map(label => [label.slice(0, label.indexOf('=')), label.slice(label.indexOf('=') + 1)])),
    genericResources: genericResources(config.nodeGenericResources),
    tlsInfo: tlsInfoOf(options.rootPem()),
  })
}

/** "gpu=2" is a count, "gpu=UUID-1" one of a named set. */
function genericResources(texts: readonly string[]): readonly GenericResource[] {
  return texts.map(text => {
    const at = text.indexOf('=')
    const [kind, value] = [text.slice(0, at), text.slice(at + 1)]
    return /^\d+$/.test(value) ? { kind, discrete: Number(value) } : { kind, named: value }
  })
}
