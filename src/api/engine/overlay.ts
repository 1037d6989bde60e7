/**
 * One overlay network as this host has to program it. The engine knows nothing of Swarm: whoever computes the table (the cluster's manager)
 * sends it whole with a growing revision. Structurally the dispatcher protocol's NetworkTable.
 */
export interface OverlayTable {
  readonly networkId: string
  readonly revision: number
  readonly name: string
  readonly vni: number
  /** CIDR */
  readonly subnet: string
  /** IP without mask */
  readonly gateway: string
  /** 0: 1450 */
  readonly mtu: number
  readonly internal: boolean
  readonly ingress: boolean
  readonly attachable: boolean
  readonly encrypted: boolean
  /** UDP port of VXLAN */
  readonly vxlanPort: number
  /** This host's own address on the network, CIDR. */
  readonly nodeAddress: string
  readonly endpoints: readonly OverlayEndpoint[]
  readonly nodes: readonly OverlayNode[]
  readonly services: readonly OverlayService[]
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
}

/** A container somewhere with an address on the network; its MAC is 02:42:<ip>. */
export interface OverlayEndpoint {
  readonly taskId: string
  readonly serviceId: string
  readonly address: string
  readonly nodeId: string
  /** IP of its host. */
  readonly dataAddress: string
  readonly names: readonly string[]
  readonly ready: boolean
}

/** A host's own address on the network. */
export interface OverlayNode { readonly nodeId: string; readonly address: string; readonly dataAddress: string }

/** A name with a virtual IP (empty: round robin over the backends). */
export interface OverlayService {
  readonly serviceId: string
  readonly name: string
  readonly virtualIp: string
  readonly names: readonly string[]
  /** IPs. */
  readonly backends: readonly string[]
  /** Ports published on every host (ingress network only); and UDP ports published in host mode that have the target port of one of those. */
  readonly ports: readonly OverlayPort[]
}
export interface OverlayPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly targetPort: number
  readonly publishedPort: number
  /** Absent: ingress. */
  readonly publishMode?: 'ingress' | 'host'
}
