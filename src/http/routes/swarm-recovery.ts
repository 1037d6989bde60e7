import type { Readable } from 'node:stream'
import type { SurveyResponse } from '../../api/swarm/recovery.ts'
import type { StateSummary } from '../../api/swarm/state-summary.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { json } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'

/** Base64, so that it may be of any characters. */
const PASSPHRASE_HEADER = 'x-shoal-passphrase'

/** A backup to begin the cluster anew from, and how this host takes part. Addresses as in SwarmInit. */
export interface RestoreRequest {
  readonly backup: Readable
  readonly passphrase: string
  readonly listenAddress: string
  readonly advertiseAddress: string
  readonly dataPathAddress: string
  /** How long workers are waited for before their tasks move. */
  readonly workerGraceMs: number
}

/** Where this host is now ('' when that is as before), and where managers of its cluster may be. */
export interface AnnounceRequest { readonly advertiseAddress: string; readonly remoteAddresses: readonly string[] }

/** Our own: what saves a cluster, and brings a lost one back. Made in src/daemon. */
export interface RecoveryBackend {
  /** The sealed state. Rejects where it can not begin; a file that breaks off does not open. */
  backup(passphrase: string, signal: AbortSignal): Promise<Readable>
  /** What each manager's log ends with, asked by this host's own. */
  survey(signal: AbortSignal): Promise<SurveyResponse>
  /** @returns which manager each remote address has, or why none is known there */
  announce(request: AnnounceRequest): Promise<readonly { readonly addr: string; readonly nodeId: string; readonly error: string }[]>
  restore(request: RestoreRequest): Promise<{ readonly nodeId: string; readonly summary: StateSummary }>
}

/** Addresses in one call: as many as a cluster has managers. */
const REMOTES_MAX = 16
const WORKER_GRACE_MS = 10 * 60_000

export function swarmRecoveryRoutes(backend: RecoveryBackend): readonly Route[] {
  return [
    route('POST', '/shoal/swarm/backup', async request => ({ kind: 'stream', contentType: 'application/octet-stream', stream: await backend.backup(passphraseOf(request), request.signal) })),
    route('GET', '/shoal/swarm/managers', async ({ signal }) => json(await backend.survey(signal))),
    route('POST', '/shoal/swarm/announce', async ({ query }) => {
      const answers = await backend.announce({ advertiseAddress: query.text('advertiseAddr'), remoteAddresses: query.text('remoteAddrs').split(',').filter(addr => addr !== '').slice(0, REMOTES_MAX) })
      return json(answers.map(({ addr, nodeId, error }) => ({ Addr: addr, NodeID: nodeId, Error: error })))
    }),
    route('POST', '/shoal/swarm/restore', async request => {
      const { query } = request
      const { nodeId, summary } = await backend.restore({
        backup: request.body, passphrase: passphraseOf(request), listenAddress: query.text('listenAddr'), advertiseAddress: query.text('advertiseAddr'), dataPathAddress: query.text('dataPathAddr'),
        workerGraceMs: graceOf(query.text('workerGraceSeconds')),
      })
      return json({ NodeID: nodeId, Summary: summary })
    }),
  ]
}

function passphraseOf(request: ApiRequest): string {
  return Buffer.from(request.header(PASSPHRASE_HEADER) ?? '', 'base64').toString()
}

function graceOf(text: string): number {
  if (text === '') return WORKER_GRACE_MS
  if (!/^\d{1,7}$/.test(text)) throw new ShoalError('invalid-argument', 'bad-parameter', `invalid workerGraceSeconds: ${text.slice(0, 100)}; give whole seconds`)
  return Number(text) * 1000
}
