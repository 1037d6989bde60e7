import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '../../../src/api/codec/codec.ts'
import { RECOVERY_RPC } from '../../../src/api/codec/methods.ts'
import type { LogEndResponse } from '../../../src/api/swarm/recovery.ts'
import { streamOf, type RpcClient } from '../../../src/base/rpc.ts'
import { fixedCredentials } from '../../../src/platform/rpc/credentials-source.ts'
import { GrpcDialer } from '../../../src/platform/rpc/grpc-dialer.ts'
import type { Lab } from '../../support/lab.ts'

/** All that a manager holds at an index of the log: each record of a snapshot of it, by kind and id. */
export interface ManagerState { readonly index: number; readonly records: ReadonlyMap<string, string> }

/** Asks one manager itself, on the socket that is there for its host's daemon. */
export class ManagerConnection implements AsyncDisposable {
  readonly #client: RpcClient

  constructor(lab: Lab, host: number) {
    const { socketPath } = JSON.parse(readFileSync(join(lab.folder, `h${host}/exec/manager.json`), 'utf8')) as { readonly socketPath: string }
    this.#client = new GrpcDialer({ credentials: fixedCredentials({ rootCertsPem: '' }) }).dial(`unix:${socketPath}`)
  }

  async logEnd(): Promise<LogEndResponse> { return this.#client.unary(RECOVERY_RPC.logEnd, {}) }

  /** What it holds by itself; undefined while it knows a leader, whose state that would be, or goes on meanwhile. */
  async ownState(): Promise<ManagerState | undefined> {
    const before = await this.logEnd()
    if (before.leaderId !== 0) return undefined
    const records = new Map<string, string>()
    for await (const message of this.#client.stream(RECOVERY_RPC.saveState, streamOf({}))) {
      for (const bytes of message.records) {
        const record = decode('SnapshotRecord', bytes)
        const [kind = 'header', object] = Object.entries(record.object ?? {}).find(([, value]) => value !== undefined) ?? []
        records.set(object === undefined ? kind : `${kind} ${(object as { readonly id: string }).id}`, JSON.stringify(record))
      }
    }
    const after = await this.logEnd()
    return after.leaderId === 0 && after.applied === before.applied ? { index: after.applied, records } : undefined
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#client[Symbol.asyncDispose]() }
}

/** The records that the two do not hold alike, with what each holds. */
export function differences(one: ManagerState, other: ManagerState): readonly string[] {
  const keys = new Set([...one.records.keys(), ...other.records.keys()])
  return [...keys].filter(key => one.records.get(key) !== other.records.get(key)).map(key => `${key}: ${one.records.get(key) ?? 'nothing'} and ${other.records.get(key) ?? 'nothing'}`)
}
