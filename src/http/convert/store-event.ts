import type { EventMessage } from '../../api/engine/engine-json.ts'
import type { StoreEvent } from '../../api/swarm/control.ts'
import type { Node, Service, StoreObject } from '../../api/swarm/objects.ts'
import { updateStateText } from './service.ts'

type Attributes = Readonly<Record<string, string>>
interface Subject { readonly type: NonNullable<EventMessage['Type']>; readonly id: string; readonly attributes: Attributes }

/** A change of the store as an event of the swarm (B16), or undefined for kinds that give none: tasks and the cluster. */
export function storeEventToJson(event: StoreEvent): EventMessage | undefined {
  const subject = subjectOf(event.object ?? {}, event.oldObject ?? {})
  if (subject === undefined) return undefined
  return {
    Type: subject.type, Action: event.action, Actor: { ID: subject.id, Attributes: subject.attributes }, scope: 'swarm',
    time: Math.floor(event.atMs / 1000), timeNano: event.atMs * 1_000_000,
  }
}

function subjectOf(object: StoreObject, old: StoreObject): Subject | undefined {
  const { service, node, network, secret, config } = object
  if (service !== undefined) return { type: 'service', id: service.id, attributes: { name: service.spec?.annotations?.name ?? '', ...serviceChanges(service, old.service) } }
  if (node !== undefined) return { type: 'node', id: node.id, attributes: { name: node.description?.hostname ?? '', ...nodeChanges(node, old.node) } }
  if (network !== undefined) return { type: 'network', id: network.id, attributes: { name: network.spec?.annotations?.name ?? '', type: network.spec?.driver?.name || 'overlay' } }
  if (secret !== undefined) return { type: 'secret', id: secret.id, attributes: { name: secret.spec?.annotations?.name ?? '' } }
  if (config !== undefined) return { type: 'config', id: config.id, attributes: { name: config.spec?.annotations?.name ?? '' } }
  return undefined
}

function serviceChanges(service: Service, old: Service | undefined): Attributes {
  if (old === undefined) return {}
  return {
    ...changed('image', old.spec?.task?.container?.image, service.spec?.task?.container?.image),
    ...changed('replicas', countText(old.spec?.replicated?.replicas), countText(service.spec?.replicated?.replicas)),
    ...changed('updatestate', updateStateText(old.updateStatus?.state), updateStateText(service.updateStatus?.state)),
  }
}

function nodeChanges(node: Node, old: Node | undefined): Attributes {
  if (old === undefined) return {}
  return {
    ...changed('availability', old.spec?.availability, node.spec?.availability), ...changed('role', old.role, node.role),
    ...changed('state', old.status?.state, node.status?.state),
    ...changed('leader', flagText(old.managerStatus?.leader), flagText(node.managerStatus?.leader)),
    ...changed('reachability', old.managerStatus?.reachability, node.managerStatus?.reachability),
  }
}

function changed(name: string, old: string | undefined, now: string | undefined): Attributes {
  if (old === now) return {}
  return { ...old === undefined ? {} : { [`${name}.old`]: old }, ...now === undefined ? {} : { [`${name}.new`]: now } }
}

function countText(count: number | undefined): string | undefined { return count === undefined ? undefined : String(count) }
function flagText(flag: boolean | undefined): string | undefined { return flag === undefined ? undefined : String(flag) }
