import { RECOVERY_RPC } from '../../api/codec/methods.ts'
import { ShoalError } from '../../base/errors.ts'
import { streamOf, type RpcClient } from '../../base/rpc.ts'
import { frameRecords } from '../../platform/backup/framed-records.ts'
import { sealStream, type BackupLabel } from '../../platform/backup/sealed-stream.ts'

/** Shorter ones are guessed. */
const PASSPHRASE_LENGTH_MIN = 8

/**
 * The whole state of the cluster, sealed: from the leader, or from this host's manager while there is none.
 * @throws ShoalError `backup-passphrase` (invalid-argument), and what the manager answers
 */
export function createBackup(manager: RpcClient, label: BackupLabel, options: { readonly passphrase: string; readonly signal: AbortSignal }): AsyncIterable<Uint8Array> {
  checkPassphrase(options.passphrase)
  return sealStream(label, options.passphrase, frameRecords(savedRecords(manager, options.signal)))
}

/** @throws ShoalError `backup-passphrase` (invalid-argument) */
export function checkPassphrase(passphrase: string): void {
  if ([...passphrase].length < PASSPHRASE_LENGTH_MIN) throw new ShoalError('invalid-argument', 'backup-passphrase', `a backup needs a passphrase of at least ${PASSPHRASE_LENGTH_MIN} characters: it holds the cluster's secrets and its authority's key`)
}

async function* savedRecords(manager: RpcClient, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { records } of manager.stream(RECOVERY_RPC.saveState, streamOf({}), { signal })) yield* records
}
