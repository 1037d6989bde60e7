import { createReadStream, createWriteStream, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { readState, type StateSummary } from '../../api/swarm/state-summary.ts'
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { RestoreRequest } from '../../http/routes/swarm-recovery.ts'
import { openBackup } from '../../platform/backup/open-backup.ts'
import { hostOf, portOf } from '../address-parts.ts'
import { defaultAdvertise, resolveAddress } from '../host-address.ts'
import type { ClusterRestore } from '../manager-config.ts'
import type { NodeCredentials } from '../node-certificates.ts'
import type { SwarmState } from '../swarm-state.ts'
import { restoredIdentity } from './restored-membership.ts'

/** All that this host needs to begin the cluster of a backup. */
export interface ReceivedBackup {
  readonly state: SwarmState
  readonly credentials: NodeCredentials
  readonly restore: ClusterRestore
  /** Empty without autolock. */
  readonly unlockKey: string
  readonly summary: StateSummary
}

/**
 * Takes a backup into `file`, sealed as it is, and reads it to its end: nothing has begun when it is not whole.
 * @throws ShoalError `backup-…` (invalid-argument), `bad-address`
 */
export async function receiveBackup(request: RestoreRequest, file: string, { clock, random }: { readonly clock: Clock; readonly random: Random }): Promise<ReceivedBackup> {
  const { passphrase, workerGraceMs } = request
  const listenAddress = resolveAddress(request.listenAddress || '0.0.0.0:2377')
  const advertiseAddress = request.advertiseAddress === '' ? defaultAdvertise(listenAddress) : resolveAddress(request.advertiseAddress, portOf(listenAddress))
  const dataAddress = request.dataPathAddress === '' ? hostOf(advertiseAddress) : hostOf(resolveAddress(request.dataPathAddress))
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  await pipeline(request.backup, createWriteStream(file, { mode: 0o600, flush: true }))
  const { cluster, summary } = await readState(openBackup(createReadStream(file), passphrase))
  const { nodeId, credentials } = restoredIdentity(cluster, { clock, random })
  return {
    state: { nodeId, clusterId: cluster.id, role: 'manager', listenAddress, advertiseAddress, dataAddress, availability: 'active', managers: [{ nodeId, addr: advertiseAddress }], isFounding: true },
    credentials, restore: { file, passphrase, workerGraceMs, availability: 'active' }, unlockKey: cluster.spec?.autoLockManagers === true ? cluster.unlockKey : '', summary,
  }
}
