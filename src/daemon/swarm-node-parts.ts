import type { Node } from '../api/swarm/objects.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { RpcDialer } from '../base/rpc.ts'
import type { SwarmState } from './swarm-state.ts'

/** This host's agent while it belongs to a cluster. */
export interface NodeAgent extends AsyncDisposable {
  start(): Promise<void>
  /** Resolves when a manager has accepted this node's session. */
  untilReady(signal: AbortSignal): Promise<void>
  readonly isConnected: boolean
  /** Why the managers refuse this node; empty while they do not. */
  readonly refusal: string
  /** Looks for managers at these addresses only, from now on. */
  useManagers(addresses: readonly string[]): Promise<void>
  /** Stops and removes every task's container. */
  removeTasks(): Promise<void>
}
export interface NodeAgentOptions {
  readonly state: SwarmState
  readonly dialer: RpcDialer
  /** IP of this host for container traffic, as it is now. */
  readonly dataAddress: () => string
  /** PEM of the roots, for the node's description. */
  readonly rootPem: () => string
  readonly onNode: (node: Node) => void
  readonly onManagers: (managers: readonly { readonly nodeId: string; readonly addr: string }[]) => void
  readonly onRootCa: (rootPem: string) => void
}

export interface SwarmNodeParts {
  readonly dataFolder: string
  readonly execFolder: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  /** Of managers of this host; absent: the default. */
  readonly raftTickMs?: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly createAgent: (options: NodeAgentOptions) => Promise<NodeAgent>
}
