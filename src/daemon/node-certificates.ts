import type { Clock } from '../base/clock.ts'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { RpcDialer } from '../base/rpc.ts'
import { TaskGroup } from '../base/task-group.ts'
import { requestCertificate } from '../ca/ca-client.ts'
import { readNodeCertificate, type NodeCertificate } from '../ca/node-certificate.ts'
import { renewalAtMs } from '../ca/renewal-time.ts'
import type { CertificateFiles, StoredCertificates } from '../platform/certificates/certificate-files.ts'
import { RenewableCredentials, type CredentialsSource, type TlsCredentials } from '../platform/rpc/credentials-source.ts'

const RENEWAL_RETRY_MS = 10_000
/** setTimeout's limit is 2^31 ms, and the clock may be set meanwhile: the time is looked at again at least this often. */
const RENEWAL_CHECK_MAX_MS = 12 * 3_600_000

/** A node's certificate, its key, and the roots it trusts, all PEM. */
export interface NodeCredentials { readonly certPem: string; readonly keyPem: string; readonly rootCertPem: string }

export interface NodeCertificatesParts {
  readonly files: CertificateFiles
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Dials managers with these credentials. */
  readonly createDialer: (credentials: CredentialsSource) => RpcDialer
  /** Addresses of the managers known now, whom a renewal asks in this order. */
  readonly managers: () => readonly string[]
  /** A manager gave the unlock key of the cluster with a manager's certificate, '' without autolock; the certificate is written when this returns. */
  readonly onUnlockKey: (unlockKey: string) => void
}

/**
 * A node's certificate while the node belongs to a cluster: on disk, renewed in time (X04), replaced when the role or the root changes. Who dials with `source`
 * uses the newest for each new connection. Changes run one after the other, so none brings back what another replaced.
 */
export class NodeCertificates implements AsyncDisposable {
  readonly #parts: NodeCertificatesParts
  readonly #credentials: RenewableCredentials
  readonly #group: TaskGroup
  /** Settles when the change before is done, however it ended. */
  #lastChange: Promise<unknown> = Promise.resolve()

  constructor(parts: NodeCertificatesParts, credentials: NodeCredentials) {
    this.#parts = parts
    this.#credentials = new RenewableCredentials(tlsCredentials(credentials))
    this.#group = new TaskGroup(parts.logger)
  }

  get source(): CredentialsSource { return this.#credentials }
  get rootPem(): string { return this.#credentials.current().rootCertsPem }
  /** What the certificate says of now. */
  identity(): NodeCertificate { return readNodeCertificate(this.#current().certPem) }

  /** Writes down what there is, sealed as things are sealed now. */
  async save(): Promise<void> { await this.#change(async () => this.#replace(this.#current())) }

  /** Begins to renew in time. */
  start(): void { this.#group.run('renew the certificate', async signal => this.#renewInTime(signal)) }

  /** Gets a certificate in this node's role of now, from the first manager that gives one. @throws ShoalError `no-manager`, or why the last one did not */
  async renew(signal?: AbortSignal): Promise<void> {
    await this.#change(async () => {
      const dialer = this.#parts.createDialer(this.#credentials)
      let lastError: unknown = new ShoalError('unavailable', 'no-manager', 'no manager is known')
      for (const address of this.#parts.managers()) {
        signal?.throwIfAborted()
        try {
          const issued = await requestCertificate({ dialer, address, rootCertPem: this.rootPem, nowMs: this.#parts.clock.nowMs(), signal })
          if (issued.identity.role === 'manager') this.#parts.onUnlockKey(issued.unlockKey)
          await this.#replace(issued)
          return
        } catch (error) {
          lastError = error
        }
      }
      throw lastError
    })
  }

  /** Trusts another root, or several, in the background. Says nothing new: does nothing. */
  trust(rootPem: string): void {
    if (rootPem === '' || rootPem === this.rootPem) return
    this.#group.run('store the new root certificate', async () => this.#change(async () => this.#replace({ ...this.#current(), rootCertPem: rootPem })))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]()
    await this.#lastChange
  }

  async #renewInTime(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#parts
    for (;;) {
      const current = this.#credentials.current()
      const atMs = renewalAtMs(this.identity(), random)
      while (clock.nowMs() < atMs) await clock.sleep(Math.min(atMs - clock.nowMs(), RENEWAL_CHECK_MAX_MS), signal)
      // A change of role brings a new certificate, with a time of its own.
      if (this.#credentials.current().certPem !== current.certPem) continue
      try {
        await this.renew(signal)
        logger.info('the certificate was renewed', { validUntil: new Date(this.identity().notAfterMs).toISOString() })
      } catch (err) {
        signal.throwIfAborted()
        logger.warn('the certificate could not be renewed; trying again', { err, validUntil: new Date(this.identity().notAfterMs).toISOString() })
        await clock.sleep(RENEWAL_RETRY_MS, signal)
      }
    }
  }

  async #change(work: () => Promise<void>): Promise<void> {
    const change = this.#lastChange.then(work)
    this.#lastChange = change.then(undefined, () => undefined)
    await change
  }

  async #replace(credentials: NodeCredentials): Promise<void> {
    await this.#parts.files.saveRoot(credentials.rootCertPem)
    await this.#parts.files.saveNode(credentials)
    this.#credentials.renew(tlsCredentials(credentials))
  }

  #current(): NodeCredentials {
    const { rootCertsPem, certPem = '', keyPem = '' } = this.#credentials.current()
    return { rootCertPem: rootCertsPem, certPem, keyPem }
  }
}

/** Both processes of a node start with this. @throws ShoalError `certificates-missing` (failed-precondition) */
export function completeCredentials(stored: StoredCertificates | undefined, folder: string): NodeCredentials {
  if (stored?.certPem === undefined || stored.keyPem === undefined) {
    throw new ShoalError('failed-precondition', 'certificates-missing', `there is no certificate in ${folder}; leave the cluster with 'docker swarm leave --force' and join it again`)
  }
  return { rootCertPem: stored.rootCertPem, certPem: stored.certPem, keyPem: stored.keyPem }
}

/** As the transport wants them. */
export function tlsCredentials({ rootCertPem, certPem, keyPem }: NodeCredentials): TlsCredentials {
  return { rootCertsPem: rootCertPem, certPem, keyPem }
}
