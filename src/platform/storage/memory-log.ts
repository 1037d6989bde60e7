import type { AppendLog } from '../../base/storage.ts'
import { InlineLog } from './inline-log.ts'
import { SegmentLog } from './segment-log.ts'
import { SimulatedLogDisk } from './simulated-log-disk.ts'

/** Small, so that tests have several. */
export const MEMORY_SEGMENT_BYTES = 16 * 1024

/** AppendLog in memory. Share one `disk` between instances to let it survive a "restart". */
export function createMemoryLog(disk = new SimulatedLogDisk()): AppendLog {
  return new InlineLog(() => SegmentLog.open(disk, { owner: { clusterId: '', nodeId: '' }, segmentBytes: MEMORY_SEGMENT_BYTES }))
}
