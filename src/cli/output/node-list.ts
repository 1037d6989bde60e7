import type { Node } from '../../api/engine/swarm-json.ts'
import { compareNatural } from './human.ts'
import type { Listing } from './list.ts'

/** A node as `node ls` shows it; Self marks the one that was asked. */
export type NodeRow = Readonly<Record<'ID' | 'Hostname' | 'Status' | 'Availability' | 'ManagerStatus' | 'EngineVersion', string>> & { readonly Self: boolean }

/** Nodes by hostname. @param selfId the node that was asked: the table marks it with a star */
export function listNodes(nodes: readonly Node[], selfId: string): Listing<NodeRow> {
  return {
    columns: [['ID', row => `${row.ID}${row.Self ? ' *' : ''}`], ['HOSTNAME', 'Hostname'], ['STATUS', 'Status'], ['AVAILABILITY', 'Availability'], ['MANAGER STATUS', 'ManagerStatus'], ['ENGINE VERSION', 'EngineVersion']],
    rows: nodes.map(node => toRow(node, selfId)).sort((a, b) => compareNatural(a.Hostname, b.Hostname)),
  }
}

function toRow(node: Node, selfId: string): NodeRow {
  const manager = node.ManagerStatus
  return {
    ID: node.ID ?? '', Self: node.ID === selfId, Hostname: node.Description?.Hostname ?? '', Status: capital(node.Status?.State ?? ''), Availability: capital(node.Spec?.Availability ?? ''),
    ManagerStatus: manager === undefined || manager === null ? '' : manager.Leader === true ? 'Leader' : capital(manager.Reachability ?? ''), EngineVersion: node.Description?.Engine?.EngineVersion ?? '',
  }
}

function capital(text: string): string { return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}` }
