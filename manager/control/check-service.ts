import { ShoalError } from '../../src/base/errors.ts'
import type { ConfigReference, NetworkAttachmentConfig, PortConfig, SecretReference, ServiceSpec } from '../../src/api/swarm/specs.ts'
import type { StoreView } from '../store/object-store.ts'

/** Node-local networks every host has; see D-130. */
const PREDEFINED_NETWORKS = new Set(['host', 'bridge', 'none'])

/**
 * What only the store can tell about a service spec: ports, networks, secrets and configs it names. Texts are Docker's (L07, L12, Q04).
 * @param serviceId the service being updated, or '' for a new one
 * @returns the spec with every network named by id
 */
export function checkService(view: StoreView, spec: ServiceSpec, serviceId: string): ServiceSpec {
  checkPorts(view, spec, serviceId)
  checkReferences(view, spec)
  const resolve = (config: NetworkAttachmentConfig): NetworkAttachmentConfig => ({ ...config, target: resolveNetwork(view, config.target) })
  const networks = spec.networks.map(resolve)
  return spec.task === undefined ? { ...spec, networks } : { ...spec, networks, task: { ...spec.task, networks: spec.task.networks.map(resolve) } }
}

function checkPorts(view: StoreView, spec: ServiceSpec, serviceId: string): void {
  const wanted = (spec.endpoint?.ports ?? []).filter(port => port.publishedPort !== 0)
  if (spec.endpoint?.ports.some(port => port.publishMode === 'ingress') && !view.list('network').some(network => network.spec?.ingress === true)) {
    throw new ShoalError('failed-precondition', 'no-ingress-network', 'service needs ingress network, but no ingress network is present')
  }
  if (wanted.length === 0) return
  for (const other of view.list('service')) {
    if (other.id === serviceId) continue
    const taken = [...other.spec?.endpoint?.ports ?? [], ...other.endpoint?.ports ?? []]
    for (const port of wanted) {
      const clash = taken.find(held => doClash(port, held))
      if (clash === undefined) continue
      const how = clash.publishMode === 'host' ? 'as a host-published port' : 'as an ingress port'
      throw new ShoalError('invalid-argument', 'port-in-use', `port '${port.publishedPort}' is already in use by service '${other.spec?.annotations?.name ?? ''}' (${other.id}) ${how}`)
    }
  }
}

/** Two services may publish the same host-mode port: the scheduler keeps them on different nodes. */
function doClash(a: PortConfig, b: PortConfig): boolean {
  return a.publishedPort === b.publishedPort && a.protocol === b.protocol && !(a.publishMode === 'host' && b.publishMode === 'host')
}

function resolveNetwork(view: StoreView, target: string): string {
  const network = view.get('network', target) ?? view.findByName('network', target)
  if (network?.spec?.ingress === true) {
    throw new ShoalError('invalid-argument', 'ingress-network', `Service cannot be explicitly attached to the ingress network "${network.spec.annotations?.name ?? ''}"`)
  }
  if (network !== undefined) return network.id
  if (PREDEFINED_NETWORKS.has(target)) return target
  const found = view.list('network').filter(candidate => target !== '' && candidate.id.startsWith(target))
  if (found.length === 1 && found[0] !== undefined) return found[0].id
  throw new ShoalError('not-found', 'object-not-found', `network ${target} not found`)
}

function checkReferences(view: StoreView, spec: ServiceSpec): void {
  const container = spec.task?.container
  failOnMissing('secret', (container?.secrets ?? []).filter(reference => !isSecretThere(view, reference)).map(reference => reference.secretName))
  failOnMissing('config', (container?.configs ?? []).filter(reference => !isConfigThere(view, reference)).map(reference => reference.configName))
}

/** The id and the name must name the same object: a secret replaced by another of its name is not the one that was meant. */
function isSecretThere(view: StoreView, reference: SecretReference): boolean {
  return view.get('secret', reference.secretId)?.spec?.annotations?.name === reference.secretName
}

function isConfigThere(view: StoreView, reference: ConfigReference): boolean {
  return view.get('config', reference.configId)?.spec?.annotations?.name === reference.configName
}

function failOnMissing(kind: 'secret' | 'config', names: readonly string[]): void {
  if (names.length === 0) return
  throw new ShoalError('invalid-argument', 'reference-not-found', `${kind}${names.length === 1 ? '' : 's'} not found: ${names.join(', ')}`)
}
