import { doIpv4BlocksOverlap, formatIpv4, formatIpv4Block, parseIpv4Block, type Ipv4Block } from '../../src/base/ipv4.ts'
import type { Network, NetworkState } from '../../src/api/swarm/objects.ts'
import type { Allocation } from './allocation.ts'

const VNI_MIN = 4096
const VNI_MAX = 2 ** 24 - 1
const VNI_OPTION = 'com.docker.network.driver.overlay.vxlanid_list'
const POOL_DEFAULT = '10.0.0.0/8'
const SUBNET_SIZE_DEFAULT = 24

/** Gives each new network its subnet, gateway and VXLAN id; the ingress network goes first and so gets the first subnet (L02, L10). */
export function allocateNetworks(allocation: Allocation): void {
  const waiting = [...allocation.networks()].filter(network => network.state === undefined && network.spec?.configOnly !== true)
  waiting.sort((a, b) => Number(b.spec?.ingress ?? false) - Number(a.spec?.ingress ?? false))
  for (const network of waiting) {
    const state = stateFor(allocation, network)
    if (state !== undefined) allocation.putNetwork({ ...network, state })
  }
}

function stateFor(allocation: Allocation, network: Network): NetworkState | undefined {
  const driver = network.spec?.driver?.name || 'overlay'
  const options = network.spec?.driver?.options ?? {}
  if (driver !== 'overlay') return { driver, options, vni: 0, lastOffset: 0 }
  const vni = freeVni(allocation, options[VNI_OPTION])
  const subnet = subnetFor(allocation, network)
  if (vni === undefined || subnet === undefined) return undefined
  const asked = network.spec?.ipam?.configs[0]
  const config = {
    subnet: formatIpv4Block(subnet), range: asked?.range ?? '', gateway: asked?.gateway || formatIpv4(subnet.first + 1), reserved: asked?.reserved ?? {},
  }
  return { driver, options: { ...options, [VNI_OPTION]: String(vni) }, vni, ipam: { driver: { name: 'default', options: {} }, configs: [config] }, lastOffset: 0 }
}

function freeVni(allocation: Allocation, asked: string | undefined): number | undefined {
  const used = new Set([...allocation.networks()].map(network => network.state?.vni ?? 0))
  const wanted = Number(asked?.split(',')[0])
  if (asked !== undefined && wanted > 0 && wanted <= VNI_MAX) return used.has(wanted) ? undefined : wanted
  for (let vni = VNI_MIN; vni <= VNI_MAX; vni++) if (!used.has(vni)) return vni
  return undefined
}

function subnetFor(allocation: Allocation, network: Network): Ipv4Block | undefined {
  const asked = network.spec?.ipam?.configs[0]?.subnet ?? ''
  if (asked !== '') return parseIpv4Block(asked)
  const used = usedBlocks(allocation)
  const cluster = allocation.view.cluster()
  const pools = cluster?.addressPool.length ? cluster.addressPool : [POOL_DEFAULT]
  const size = 2 ** (32 - (cluster?.subnetSize || SUBNET_SIZE_DEFAULT))
  for (const pool of pools) {
    const block = parseIpv4Block(pool)
    const free = block === undefined ? undefined : firstFree(block, size, used)
    if (free !== undefined) return free
  }
  return undefined
}

function usedBlocks(allocation: Allocation): Ipv4Block[] {
  const blocks = [...allocation.networks()].flatMap(network => [...network.state?.ipam?.configs ?? [], ...network.spec?.ipam?.configs ?? []])
    .map(config => parseIpv4Block(config.subnet)).filter(block => block !== undefined)
  return blocks.sort((a, b) => a.first - b.first)
}

/** One walk over the used blocks in order of address: jumps behind each that is in the way. */
function firstFree(pool: Ipv4Block, size: number, used: readonly Ipv4Block[]): Ipv4Block | undefined {
  let candidate: Ipv4Block = { first: pool.first, size, prefixLength: 32 - Math.log2(size) }
  for (const block of used) {
    if (!doIpv4BlocksOverlap(candidate, block)) continue
    candidate = { ...candidate, first: Math.ceil((block.first + block.size) / size) * size }
  }
  return candidate.first + size <= pool.first + pool.size ? candidate : undefined
}
