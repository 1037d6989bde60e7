import { hasShape, type Shape } from '../record-shape.ts'
import { networkRefs } from '../network/attachable-endpoints.ts'
import { inspectContainer, summarizeContainer } from './container-json.ts'
import type { ContainerRecord } from './container-record.ts'
import { networkedContainer } from './networked-container.ts'

const RECORD: Shape = { id: 'string', name: 'string', created: 'string', imageId: 'string', diffIds: 'strings', config: 'object', hostConfig: 'object', endpoints: 'object', mounts: 'objects', state: 'object', restartCount: 'number', stoppedByUser: 'boolean' }
const OPTIONAL: Shape = { sandbox: 'object', updating: 'object', hasLeftMode: 'boolean' }
const STATE: Shape = { status: 'string', pid: 'number', exitCode: 'number', error: 'string', oomKilled: 'boolean', startedAt: 'string', finishedAt: 'string' }
const MOUNT: Shape = { Type: 'string', Source: 'string', Destination: 'string' }
const SANDBOX: Shape = { endpoints: 'object', ports: 'object', hosts: 'string', resolvConf: 'string' }
const STATUSES: readonly string[] = ['created', 'running', 'paused', 'restarting', 'exited', 'dead', 'removing']

/** Whether what was read is a record that we wrote: it has what every record has, and can be told to clients and to the networks. */
export function isSoundRecord(value: object, id: string): value is ContainerRecord {
  const record = value as Partial<ContainerRecord>
  const present = Object.fromEntries(Object.entries(OPTIONAL).filter(([key]) => key in value))
  if (record.id !== id || !hasShape(value, { ...RECORD, ...present })) return false
  if (!hasShape(record.state ?? {}, STATE) || !STATUSES.includes(record.state?.status ?? '') || record.mounts?.every(mount => hasShape(mount, MOUNT)) !== true) return false
  if (record.sandbox !== undefined && !hasShape(record.sandbox, SANDBOX)) return false
  return canBeTold(value as ContainerRecord)
}

/** What users asked for is too varied to list here; but it was told once, so it must be possible again. */
function canBeTold(record: ContainerRecord): boolean {
  try {
    networkRefs(networkedContainer(record))
    inspectContainer(record, { directory: '', logPath: '', driver: '', graphData: {}, execIds: [], nameOf: ref => ref })
    summarizeContainer(record, '', 0)
    return true
  } catch {
    return false
  }
}
