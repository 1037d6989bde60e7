import { watch, type FSWatcher } from 'node:fs'
import type { KeyRing } from '../platform/storage/key-ring.ts'
import type { Logger } from '../base/logger.ts'
import { CertificateFiles } from '../platform/certificates/certificate-files.ts'
import { RenewableCredentials, type CredentialsSource } from '../platform/rpc/credentials-source.ts'
import { completeCredentials, tlsCredentials } from './node-certificates.ts'

/** The certificates folder as its reader sees it: the manager process follows what the daemon renews. */
export class WatchedCertificates implements Disposable {
  readonly #folder: string
  readonly #files: CertificateFiles
  readonly #logger: Logger
  readonly #credentials: RenewableCredentials
  readonly #watcher: FSWatcher
  #isLoading = false
  #isDirty = false

  /** @param ring what the key may be sealed with @throws ShoalError `certificates-missing`, `seal-key-missing` */
  static async open(folder: string, ring: KeyRing, logger: Logger): Promise<WatchedCertificates> {
    const files = new CertificateFiles(folder, ring)
    return new WatchedCertificates(folder, files, logger, new RenewableCredentials(tlsCredentials(completeCredentials(await files.load(), folder))))
  }

  private constructor(folder: string, files: CertificateFiles, logger: Logger, credentials: RenewableCredentials) {
    this.#folder = folder
    this.#files = files
    this.#logger = logger
    this.#credentials = credentials
    this.#watcher = watch(folder, () => { this.#onChange() })
    // What changed between the first reading and the watch.
    this.#onChange()
  }

  get source(): CredentialsSource { return this.#credentials }

  /** Reads them again: the ring opens more than it did. */
  reload(): void { this.#onChange() }

  [Symbol.dispose](): void { this.#watcher.close() }

  /** One reading at a time, and one after the last change: an older one that ends later must not win. */
  #onChange(): void {
    this.#isDirty = true
    if (this.#isLoading) return
    this.#isLoading = true
    void this.#load().finally(() => { this.#isLoading = false })
  }

  async #load(): Promise<void> {
    while (this.#isDirty) {
      this.#isDirty = false
      try {
        const loaded = tlsCredentials(completeCredentials(await this.#files.load(), this.#folder))
        const current = this.#credentials.current()
        if (loaded.certPem !== current.certPem || loaded.rootCertsPem !== current.rootCertsPem) this.#credentials.renew(loaded)
      } catch (err) {
        this.#logger.warn('renewed certificates cannot be read', { err })
      }
    }
  }
}
