import type { RaftLogger } from 'raft-ts/raft-config'
import type { Logger } from '../../src/base/logger.ts'

/** The core's log lines under one constant message; its informational ones are for debugging here. */
export function raftLogger(logger: Logger): RaftLogger {
  return {
    debug: () => {},
    info: detail => logger.debug('raft', { detail }),
    warn: detail => logger.warn('raft', { detail }),
    error: detail => logger.error('raft', { detail }),
  }
}
