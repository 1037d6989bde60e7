import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A node's certificate, its key, and the roots it trusts, all PEM. */
export interface NodeCredentials { readonly certPem: string; readonly keyPem: string; readonly rootPem: string }

const FILES = { rootPem: 'swarm-root-ca.crt', certPem: 'swarm-node.crt', keyPem: 'swarm-node.key' } as const

/**
 * A node's certificates on disk, under the names Docker uses. The key is written before the certificate that needs it and a pending pair is told by its
 * suffix, so that a crash leaves the old pair or the new one.
 */
export class CertificateFiles {
  readonly folder: string

  constructor(folder: string) { this.folder = folder }

  /** Undefined when this node has none. */
  read(): NodeCredentials | undefined {
    this.#finishWrite()
    const path = (name: string): string => join(this.folder, name)
    if (!Object.values(FILES).every(name => existsSync(path(name)))) return undefined
    return { rootPem: readFileSync(path(FILES.rootPem), 'utf8'), certPem: readFileSync(path(FILES.certPem), 'utf8'), keyPem: readFileSync(path(FILES.keyPem), 'utf8') }
  }

  /** Durable when it returns. */
  write(credentials: NodeCredentials): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    for (const [field, name] of Object.entries(FILES)) this.#writeFile(`${name}.new`, credentials[field as keyof NodeCredentials], field === 'keyPem' ? 0o600 : 0o644)
    // All three are whole: from here on a crash finishes the renames at the next read.
    this.#writeFile('renewed', '', 0o600)
    this.#finishWrite()
  }

  remove(): void { rmSync(this.folder, { recursive: true, force: true }) }

  #finishWrite(): void {
    const marker = join(this.folder, 'renewed')
    if (!existsSync(marker)) return
    for (const name of Object.values(FILES)) if (existsSync(join(this.folder, `${name}.new`))) renameSync(join(this.folder, `${name}.new`), join(this.folder, name))
    this.#syncFolder()
    rmSync(marker)
  }

  #writeFile(name: string, text: string, mode: number): void {
    const file = openSync(join(this.folder, name), 'w', mode)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    this.#syncFolder()
  }

  #syncFolder(): void {
    const folder = openSync(this.folder, 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  }
}
