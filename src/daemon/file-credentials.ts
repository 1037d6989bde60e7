import { statSync } from 'node:fs'
import { join } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import type { CredentialsSource, TlsCredentials } from '../platform/rpc/credentials-source.ts'
import { CertificateFiles } from './certificate-files.ts'

/** A manager's credentials as its agent keeps them on disk: read again when the agent has renewed them. */
export class FileCredentials implements CredentialsSource {
  readonly #files: CertificateFiles
  #readAtMs = -1
  #current: TlsCredentials = { rootCertsPem: '' }

  constructor(folder: string) { this.#files = new CertificateFiles(folder) }

  current(): TlsCredentials {
    const changedAtMs = statSync(join(this.#files.folder, 'swarm-node.crt')).mtimeMs
    if (changedAtMs === this.#readAtMs) return this.#current
    const found = this.#files.read()
    if (found === undefined) throw new ShoalError('failed-precondition', 'certificates-missing', `there are no certificates in ${this.#files.folder}; leave the cluster with 'docker swarm leave --force' and join it again`)
    this.#readAtMs = changedAtMs
    this.#current = { rootCertsPem: found.rootPem, certPem: found.certPem, keyPem: found.keyPem }
    return this.#current
  }
}
