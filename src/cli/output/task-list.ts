import type { Node, Service, Task } from '../../api/engine/swarm-json.ts'
import type { CliContext } from '../cli-context.ts'
import { compareNatural, humanDuration, shortId, truncate } from './human.ts'
import type { Listing } from './list.ts'

const ERROR_LENGTH = 30

/** A task as `service ps` shows it. */
export type TaskRow = Readonly<Record<'ID' | 'Name' | 'Image' | 'Node' | 'DesiredState' | 'CurrentState' | 'Error' | 'Ports', string>>

/** Tasks as `service ps`, `node ps` and `stack ps` show them: by name, newest first, older ones of a slot behind " \_ ". */
export async function listTasks(context: CliContext, tasks: readonly Task[], options: { readonly noTrunc: boolean }): Promise<Listing<TaskRow>> {
  const api = context.api()
  const [services, nodes] = await Promise.all([api.get<readonly Service[]>('/services'), api.get<readonly Node[]>('/nodes')])
  const serviceNames = new Map(services.map(service => [service.ID, service.Spec?.Name ?? '']))
  const nodeNames = new Map(nodes.map(node => [node.ID, node.Description?.Hostname ?? node.ID ?? '']))
  const nameOf = (task: Task): string => `${serviceNames.get(task.ServiceID) ?? task.ServiceID ?? ''}.${(task.Slot ?? 0) > 0 ? String(task.Slot) : task.NodeID ?? ''}`
  const sorted = [...tasks].sort((a, b) => compareNatural(nameOf(a), nameOf(b)) || String(b.CreatedAt).localeCompare(String(a.CreatedAt)))
  let last = ''
  const rows = sorted.map(task => {
    const name = nameOf(task)
    const isOlder = name === last
    last = name
    return toRow(task, isOlder ? ` \\_ ${name}` : name, nodeNames.get(task.NodeID) ?? '', context.clock.nowMs(), options.noTrunc)
  })
  return { columns: [['ID', 'ID'], ['NAME', 'Name'], ['IMAGE', 'Image'], ['NODE', 'Node'], ['DESIRED STATE', 'DesiredState'], ['CURRENT STATE', 'CurrentState'], ['ERROR', 'Error'], ['PORTS', 'Ports']], rows }
}

function toRow(task: Task, name: string, node: string, nowMs: number, noTrunc: boolean): TaskRow {
  const error = task.Status?.Err ?? ''
  const ports = (task.Status?.PortStatus?.Ports ?? []).map(port => `*:${port.PublishedPort ?? 0}->${port.TargetPort ?? 0}/${port.Protocol ?? 'tcp'}`)
  const image = task.Spec?.ContainerSpec?.Image ?? ''
  return {
    ID: noTrunc ? task.ID ?? '' : shortId(task.ID ?? ''), Name: name, Image: noTrunc ? image : image.replace(/@sha256:.*$/, ''), Node: node,
    DesiredState: capital(task.DesiredState ?? ''),
    CurrentState: `${capital(task.Status?.State ?? '')} ${humanDuration(nowMs - Date.parse(task.Status?.Timestamp ?? '')).toLowerCase()} ago`,
    Error: error === '' ? '' : `"${noTrunc ? error : truncate(error, ERROR_LENGTH)}"`, Ports: ports.join(','),
  }
}

function capital(text: string): string { return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}` }
