import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { KeyRing } from '../storage/key-ring.ts'

/** What a node keeps of its identity. */
export interface StoredCertificates {
  readonly rootCertPem: string
  readonly certPem?: string
  readonly keyPem?: string
}

const ROOT_FILE = 'swarm-root-ca.crt'
const CERT_FILE = 'swarm-node.crt'
const KEY_FILE = 'swarm-node.key'
const NEXT = '.next'
/** Renewals come hours apart: a second one while reading once more means that something else is wrong. */
const READ_TRIES = 3

/**
 * The certificates folder of a node (X11). Each file is replaced whole and durably; certificate and key change together: the new pair is complete
 * beside the old one before the key moves in, then the certificate. What a crash interrupted is read whole by load() and finished by the next saveNode():
 * only the writer moves files, so that another process may read at any time.
 */
export class CertificateFiles {
  readonly #folder: string
  readonly #ring: KeyRing

  /** @param ring what the key is sealed with while that seals; none: it is kept open */
  constructor(folder: string, ring = new KeyRing()) {
    this.#folder = folder
    this.#ring = ring
  }

  /** What is stored, or undefined before joining. A certificate is there only with its key. */
  async load(): Promise<StoredCertificates | undefined> {
    const rootCertPem = await this.#read(ROOT_FILE)
    if (rootCertPem === undefined) return undefined
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const keyPem = await this.#readKey()
      if (keyPem === undefined) break
      for (const name of [CERT_FILE, CERT_FILE + NEXT]) {
        const certPem = await this.#read(name)
        if (certPem !== undefined && isComplete(certPem) && isPair(certPem, keyPem)) return { rootCertPem, certPem, keyPem }
      }
      // Perhaps the writer moved both between our two readings; if the key is the same, the certificate is really missing.
      if (await this.#readKey() === keyPem) break
    }
    return { rootCertPem }
  }

  async saveRoot(rootCertPem: string): Promise<void> {
    await this.#stage(ROOT_FILE, rootCertPem, 0o644)
    await this.#move(ROOT_FILE)
  }

  async saveNode(pair: { readonly certPem: string; readonly keyPem: string }): Promise<void> {
    await this.#finish()
    await this.#stage(CERT_FILE, pair.certPem, 0o644)
    await this.#stage(KEY_FILE, this.#ring.seal(pair.keyPem, KEY_FILE), 0o600)
    await this.#move(KEY_FILE)
    await this.#move(CERT_FILE)
  }

  /** Forgets everything: the node left the swarm. */
  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** After a crash between key and certificate: the certificate that waits is the only one for this key, so it must not be overwritten before it is in place. */
  async #finish(): Promise<void> {
    const [keyPem, waiting] = [await this.#readKey(), await this.#read(CERT_FILE + NEXT)]
    if (keyPem !== undefined && waiting !== undefined && isComplete(waiting) && isPair(waiting, keyPem)) await this.#move(CERT_FILE)
  }

  /** @throws ShoalError `seal-key-missing` */
  async #readKey(): Promise<string | undefined> {
    const kept = await this.#read(KEY_FILE)
    return kept === undefined ? undefined : this.#ring.open(kept, KEY_FILE)
  }

  async #read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, name), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  async #stage(name: string, text: string, mode: number): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const path = join(this.#folder, name + NEXT)
    await rm(path, { force: true })
    await using file = await open(path, 'wx', mode)
    await file.writeFile(text)
    await file.sync()
  }

  async #move(name: string): Promise<void> {
    await rename(join(this.#folder, name + NEXT), join(this.#folder, name))
    await using folder = await open(this.#folder, 'r')
    await folder.sync()
  }
}

/** A crash may leave a staged file half written. */
function isComplete(certPem: string): boolean { return certPem.trimEnd().endsWith('-----END CERTIFICATE-----') }

function isPair(certPem: string, keyPem: string): boolean {
  return new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem))
}
