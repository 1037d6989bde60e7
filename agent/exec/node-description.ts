import { make } from '../../src/api/codec/codec.ts'
import type { NodeDescription, TlsInfo } from '../../src/api/swarm/objects.ts'
import type { GenericResource } from '../../src/api/swarm/specs.ts'

/** What the composition root finds out about its host. */
export interface HostFacts {
  readonly hostname: string
  /** As `uname -m` says, e.g. x86_64. */
  readonly architecture: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly engineVersion: string
  readonly engineLabels: Readonly<Record<string, string>>
  readonly genericResources: readonly GenericResource[]
  /** IP at which other nodes reach this one's VXLAN. */
  readonly dataAddress: string
  readonly tlsInfo?: TlsInfo
}

/** Drivers that every node has; the list of networks starts with overlay (N10). */
const PLUGINS = [
  ...['overlay', 'bridge', 'host', 'null'].map(name => ({ type: 'Network', name })),
  { type: 'Volume', name: 'local' },
  ...['json-file', 'local', 'none'].map(name => ({ type: 'Log', name })),
]

export function nodeDescription(facts: HostFacts): NodeDescription {
  return make('NodeDescription', {
    hostname: facts.hostname,
    platform: { architecture: facts.architecture, os: 'linux' },
    resources: { nanoCpus: facts.cpus * 1_000_000_000, memoryBytes: facts.memoryBytes, generic: facts.genericResources },
    engineVersion: facts.engineVersion,
    engineLabels: facts.engineLabels,
    plugins: PLUGINS,
    dataAddress: facts.dataAddress,
    ...(facts.tlsInfo === undefined ? {} : { tlsInfo: facts.tlsInfo }),
  })
}
