import type { NetworkAttachment, Node } from '../../src/api/swarm/objects.ts'
import { occupiesNode } from '../../src/api/swarm/task-state.ts'
import type { StoreView } from '../store/object-store.ts'
import type { Allocation } from './allocation.ts'
import { isAddressed } from './network-roles.ts'

/** Gives every node its own address on each overlay it takes part in: the ingress network, and those of its live tasks (L04, E06). */
export function allocateNodes(allocation: Allocation): void {
  const used = networksByNode(allocation.view)
  for (const node of allocation.view.list('node')) {
    const wanted = wantedNetworks(allocation, used.get(node.id))
    if (isAttached(node, wanted)) continue
    const attachments = attach(allocation, node, wanted)
    // A full network leaves the node without an address there; writing that again and again would never settle.
    if (!isAttached(node, attachments.map(attachment => attachment.networkId))) allocation.putNode({ ...node, attachments })
  }
}


function networksByNode(view: StoreView): Map<string, Set<string>> {
  const byNode = new Map<string, Set<string>>()
  for (const task of view.list('task')) {
    if (task.networks.length === 0 || !occupiesNode(task)) continue
    let ids = byNode.get(task.nodeId)
    if (ids === undefined) byNode.set(task.nodeId, ids = new Set())
    for (const { networkId } of task.networks) ids.add(networkId)
  }
  return byNode
}

function wantedNetworks(allocation: Allocation, used: ReadonlySet<string> | undefined): string[] {
  const ingress = allocation.ingress()
  const own = [...used ?? []].filter(id => id !== ingress?.id).sort()
  return [...ingress === undefined ? [] : [ingress.id], ...own].filter(id => isAddressed(allocation.network(id)))
}

function isAttached(node: Node, networkIds: readonly string[]): boolean {
  return node.attachments.length === networkIds.length && networkIds.every((id, at) => node.attachments[at]?.networkId === id)
}

function attach(allocation: Allocation, node: Node, networkIds: readonly string[]): NetworkAttachment[] {
  const attachments: NetworkAttachment[] = []
  for (const networkId of networkIds) {
    const held = node.attachments.find(attachment => attachment.networkId === networkId)
    const address = held === undefined ? allocation.takeAddress(networkId) : undefined
    if (held !== undefined) attachments.push(held)
    else if (address !== undefined) attachments.push({ networkId, addresses: [address], aliases: [], driverOptions: {} })
  }
  return attachments
}
