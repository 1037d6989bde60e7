import type { ContainerSummary } from '../../api/engine/engine-json.ts'
import { humanDuration, shortId, truncate } from './human.ts'
import type { Listing } from './list.ts'

const COMMAND_LENGTH = 20

/** A container as `shoal ps` shows it. */
export type ContainerRow = Readonly<Record<'ID' | 'Image' | 'Command' | 'CreatedAt' | 'RunningFor' | 'State' | 'Status' | 'Ports' | 'Names' | 'Labels', string>>

/** Containers as rows. @param options.noTrunc whole ids and commands */
export function listContainers(containers: readonly ContainerSummary[], nowMs: number, options: { readonly noTrunc: boolean }): Listing<ContainerRow> {
  return {
    columns: [['CONTAINER ID', 'ID'], ['IMAGE', 'Image'], ['COMMAND', 'Command'], ['CREATED', 'RunningFor'], ['STATUS', 'Status'], ['PORTS', 'Ports'], ['NAMES', 'Names']],
    rows: containers.map(container => toRow(container, nowMs, options.noTrunc)),
  }
}

function toRow(container: ContainerSummary, nowMs: number, noTrunc: boolean): ContainerRow {
  const { Id: id = '', Command: command = '', Created: createdSeconds = 0 } = container
  const ageMs = nowMs - createdSeconds * 1000
  return {
    ID: noTrunc ? id : shortId(id), Image: container.Image ?? '', Command: `"${noTrunc ? command : truncate(command, COMMAND_LENGTH)}"`,
    CreatedAt: new Date(createdSeconds * 1000).toISOString(), RunningFor: `${humanDuration(ageMs)} ago`, State: container.State ?? '', Status: container.Status ?? '',
    Ports: (container.Ports ?? []).map(port => `${port.PublicPort === undefined ? '' : `${port.IP ?? '0.0.0.0'}:${port.PublicPort}->`}${port.PrivatePort ?? 0}/${port.Type ?? 'tcp'}`).join(', '),
    Names: (container.Names ?? []).map(name => name.replace(/^\//, '')).join(','), Labels: Object.entries(container.Labels ?? {}).map(([key, value]) => `${key}=${value}`).join(','),
  }
}
