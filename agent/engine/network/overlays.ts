import { join } from 'node:path'
import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import { needBridgeFilter } from './bridge-filter.ts'
import { IngressGateway } from './ingress-gateway.ts'
import type { OverlayRecord } from './network-records.ts'
import { OverlayNetwork } from './overlay-network.ts'
import type { RecordFiles } from './record-files.ts'

/** Sandboxes of overlays in the namespace folder begin with this. */
export const SANDBOX_PREFIX = 'ov-'

/** The overlay networks of this host, as tables say. */
export class Overlays {
  readonly #kernel: NetworkKernel
  readonly #files: RecordFiles<OverlayRecord>
  readonly #folder: string
  readonly #ingress: IngressGateway
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #networks = new Map<string, OverlayNetwork>()
  readonly #created = new Map<string, string>()
  readonly #previous = new Map<string, OverlayTable>()

  constructor(options: { readonly kernel: NetworkKernel; readonly files: RecordFiles<OverlayRecord>; readonly netnsFolder: string; readonly ingress: IngressGateway; readonly logger: Logger; readonly clock: Clock }) {
    this.#kernel = options.kernel
    this.#files = options.files
    this.#folder = options.netnsFolder
    this.#ingress = options.ingress
    this.#logger = options.logger
    this.#clock = options.clock
  }

  get(networkId: string): OverlayNetwork | undefined { return this.#networks.get(networkId) }
  all(): readonly OverlayNetwork[] { return [...this.#networks.values()] }

  /** The table before the one that a restart found: the kernel may hold entries of both. */
  previousTable(networkId: string): OverlayTable | undefined { return this.#previous.get(networkId) }

  /** When this host first had it, RFC 3339. */
  createdAt(networkId: string): string { return this.#created.get(networkId) ?? '' }

  /** Builds every network that a record tells of again, so that a restart needs nobody else. One that fails waits for its next table. */
  async start(): Promise<void> {
    for (const [id, { table, previous }] of this.#files.load()) {
      try {
        if (previous !== undefined) this.#previous.set(id, previous)
        await this.#open(table, previous)
      } catch (err) {
        this.#logger.error('an overlay network could not be set up again', { network: id, err })
      }
    }
  }

  /** @throws `overlay-encryption-unsupported` (not-implemented), `invalid-subnet`, `kernel-module-missing` (failed-precondition) */
  async apply(table: OverlayTable): Promise<void> {
    const known = this.#networks.get(table.networkId)
    if (known !== undefined && table.revision <= known.table.revision) return
    if (table.encrypted) {
      throw new ShoalError('not-implemented', 'overlay-encryption-unsupported', `network ${table.name} asks for encryption, which this host cannot do; create it without --opt encrypted`)
    }
    if (known !== undefined && !isSameShape(known.table, table)) this.#rebuildRefused(known.table, table)
    this.#files.write(table.networkId, { table, ...(known === undefined ? {} : { previous: known.table }) })
    if (known === undefined) await this.#open(table, undefined)
    else {
      await known.change(table, this.#hostAddresses())
      if (table.ingress) await this.#ingress.apply(known)
    }
  }

  async remove(networkId: string): Promise<void> {
    const network = this.#networks.get(networkId)
    if (network?.table.ingress === true) await this.#ingress.remove(network)
    await network?.down()
    this.#networks.delete(networkId)
    this.#created.delete(networkId)
    this.#files.remove(networkId)
  }

  async #open(table: OverlayTable, previous: OverlayTable | undefined): Promise<void> {
    await needBridgeFilter(this.#kernel)
    const network = new OverlayNetwork(this.#kernel, table, { sandboxPath: join(this.#folder, `${SANDBOX_PREFIX}${table.networkId}`), hostAddresses: this.#hostAddresses() })
    await network.build(previous)
    this.#networks.set(table.networkId, network)
    this.#created.set(table.networkId, new Date(this.#clock.nowMs()).toISOString())
    if (table.ingress) await this.#ingress.apply(network)
  }

  #hostAddresses(): ReadonlySet<string> {
    return new Set(this.#kernel.links.addresses(undefined).map(({ cidr }) => cidr.split('/')[0] ?? ''))
  }

  #rebuildRefused(from: OverlayTable, to: OverlayTable): never {
    throw new ShoalError('failed-precondition', 'overlay-changed', `network ${to.name} changed its subnet, VXLAN id or port (${from.subnet} ${from.vni} to ${to.subnet} ${to.vni}): remove it from this host first`)
  }
}

function isSameShape(one: OverlayTable, other: OverlayTable): boolean {
  return one.subnet === other.subnet && one.vni === other.vni && one.vxlanPort === other.vxlanPort
}
