import { make } from '../../src/api/codec/codec.ts'
import type { Network } from '../../src/api/swarm/objects.ts'
import type { NetworkSpec, ServiceSpec } from '../../src/api/swarm/specs.ts'
import { isAtMost, isTaskLive } from '../../src/api/swarm/task-state.ts'
import { invalidSpec, validateDnsName } from '../../src/api/swarm/validate-annotations.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { doIpv4BlocksOverlap, isInIpv4Block, parseIpv4, parseIpv4Block } from '../../src/base/ipv4.ts'
import type { StoreTx, StoreView } from '../store/object-store.ts'
import { findObject } from './find-object.ts'

const PREDEFINED = /^(bridge|host|none|null|default)$/
/** Smaller networks have no room for a gateway, a node and a task (L02). */
const PREFIX_LENGTH_MAX = 29

/** Writes a new overlay network; the allocator gives it a subnet. @throws ShoalError `invalid-spec`, `name-conflict`, `not-supported` */
export function createNetwork(tx: StoreTx, id: string, spec: NetworkSpec): void {
  const name = validateDnsName(spec.annotations)
  if (PREDEFINED.test(name)) throw new ShoalError('permission-denied', 'predefined-network', `operation is not permitted on predefined ${name} network`)
  validateShape(spec)
  if (tx.findByName('network', name) !== undefined) throw new ShoalError('already-exists', 'name-conflict', `network ${name} already exists`)
  const ingress = ingressOf(tx)
  if (spec.ingress && ingress !== undefined) {
    throw new ShoalError('already-exists', 'name-conflict', `ingress network (${ingress.id}) is already present`)
  }
  validateSubnets(tx, spec)
  tx.create('network', make('Network', { id, spec }))
}

/** @throws ShoalError `network-in-use` (failed-precondition) naming who uses it (L12, L13) */
export function removeNetwork(tx: StoreTx, ref: string): void {
  const network = findObject(tx, 'network', ref)
  const service = tx.list('service').find(candidate => network.spec?.ingress === true ? publishesIngress(candidate.spec) : namesNetwork(candidate.spec, network.id))
  if (service !== undefined && network.spec?.ingress === true) {
    throw inUse(`ingress network cannot be removed because service ${service.id} depends on it`)
  }
  if (service !== undefined) throw inUse(`network ${network.id} is in use by service ${service.id}`)
  const task = tx.list('task').find(candidate => isAtMost(candidate.desiredState, 'running') && isTaskLive(candidate)
    && candidate.networks.some(attachment => attachment.networkId === network.id))
  if (task !== undefined) throw inUse(`network ${network.id} is in use by task ${task.id}`)
  tx.remove('network', network.id)
}

function validateShape(spec: NetworkSpec): void {
  const driver = spec.driver?.name ?? ''
  if (driver !== '' && driver !== 'overlay') throw notSupported(`network driver "${driver}" is not supported in the cluster; use overlay, or a local network on each node`)
  if (spec.configOnly || spec.configFrom !== '') throw notSupported('config-only networks are not supported in the cluster')
  if (spec.ipv6Enabled) throw notSupported('IPv6 overlay networks are not supported; create the network without --ipv6')
  if (spec.ingress && spec.attachable) throw invalidSpec('ingress network cannot be attachable')
  if ((spec.ipam?.configs.length ?? 0) > 1) throw notSupported('an overlay network has one subnet; give one --subnet')
}

function validateSubnets(view: StoreView, spec: NetworkSpec): void {
  for (const config of spec.ipam?.configs ?? []) {
    if (config.subnet === '') continue
    const subnet = parseIpv4Block(config.subnet)
    if (subnet === undefined) throw invalidSpec(`invalid CIDR address: ${config.subnet}`)
    if (subnet.prefixLength > PREFIX_LENGTH_MAX) throw invalidSpec(`invalid subnet ${config.subnet}: the mask may be at most /${PREFIX_LENGTH_MAX}`)
    const gateway = config.gateway === '' ? undefined : parseIpv4(config.gateway)
    if (config.gateway !== '' && (gateway === undefined || !isInIpv4Block(subnet, gateway))) {
      throw invalidSpec(`invalid gateway ${config.gateway}: it is not in subnet ${config.subnet}`)
    }
    const taken = view.list('network').flatMap(network => network.state?.ipam?.configs ?? network.spec?.ipam?.configs ?? [])
      .map(other => parseIpv4Block(other.subnet)).filter(block => block !== undefined)
    if (taken.some(block => doIpv4BlocksOverlap(block, subnet))) throw invalidSpec('invalid pool request: Pool overlaps with other one on this address space')
  }
}

function ingressOf(view: StoreView): Network | undefined {
  return view.list('network').find(network => network.spec?.ingress === true)
}

function publishesIngress(spec: ServiceSpec | undefined): boolean {
  return spec?.endpoint?.ports.some(port => port.publishMode === 'ingress') ?? false
}

function namesNetwork(spec: ServiceSpec | undefined, networkId: string): boolean {
  return [...spec?.task?.networks ?? [], ...spec?.networks ?? []].some(config => config.target === networkId)
}

function inUse(message: string): ShoalError { return new ShoalError('failed-precondition', 'network-in-use', message) }
function notSupported(message: string): ShoalError { return new ShoalError('not-implemented', 'not-supported', message) }
