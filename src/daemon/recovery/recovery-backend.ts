import { RECOVERY_RPC } from '../../api/codec/methods.ts'
import type { Clock } from '../../base/clock.ts'
import { Readable } from 'node:stream'
import type { RecoveryBackend } from '../../http/routes/swarm-recovery.ts'
import { swarmStateError } from '../../http/convert/swarm-state-error.ts'
import type { SwarmNode } from '../swarm-node.ts'
import { VERSION } from '../version.ts'
import { createBackup } from './backup-stream.ts'

/** Saving and restoring this host's cluster, as the API's routes want it. */
export function createRecoveryBackend(swarm: SwarmNode, clock: Clock): RecoveryBackend {
  return {
    backup: async (passphrase, signal) => {
      const manager = swarm.manager()
      const clusterId = swarm.state?.clusterId
      if (clusterId === undefined) throw swarmStateError('inactive')
      const stream = createBackup(manager, { clusterId, createdAtMs: clock.nowMs(), productVersion: VERSION }, { passphrase, signal })[Symbol.asyncIterator]()
      // What fails, fails mostly before the first bytes: then it is an error of the request and not half a file.
      const first = await stream.next()
      return Readable.from((async function* () {
        for (let next = first; next.done !== true; next = await stream.next()) yield next.value
      })())
    },
    survey: async signal => swarm.manager().unary(RECOVERY_RPC.survey, {}, { signal }),
    announce: async request => swarm.announce(request),
    restore: async request => swarm.restoreCluster(request),
  }
}
