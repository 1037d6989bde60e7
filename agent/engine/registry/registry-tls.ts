import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { ShoalError } from '../../../src/base/errors.ts'

/** What TLS to one registry needs. Undefined fields: the defaults. */
export interface RegistryTls { readonly ca: readonly string[]; readonly cert?: string; readonly key?: string }

const SYSTEM_ROOTS = '/etc/ssl/certs/ca-certificates.crt'

/**
 * Reads HOST[:PORT]/ of the first folder that has it: *.crt are authorities besides the system's, *.cert with *.key is the client's certificate, as dockerd reads them.
 * @throws `registry-certificates` (invalid-argument) when a certificate lacks its key or the other way round
 */
export async function registryTls(host: string, folders: readonly string[]): Promise<RegistryTls> {
  const ca = [await systemRoots()]
  for (const folder of folders) {
    const directory = join(folder, host)
    const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => { if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(error.code ?? '')) return undefined; throw error })
    if (names !== undefined) return readFolder(directory, names.sort(), ca)
  }
  return { ca }
}

async function readFolder(directory: string, names: readonly string[], ca: readonly string[]): Promise<RegistryTls> {
  const own = await Promise.all(names.filter(name => name.endsWith('.crt')).map(name => readFile(join(directory, name), 'utf8')))
  const clientCert = names.find(name => name.endsWith('.cert'))
  const strayKey = names.find(name => name.endsWith('.key') && !names.includes(name.replace(/key$/, 'cert')))
  if (strayKey !== undefined) throw incomplete(`missing client certificate ${strayKey.replace(/key$/, 'cert')} for key ${strayKey}`)
  if (clientCert === undefined) return { ca: [...ca, ...own] }
  const keyName = clientCert.replace(/cert$/, 'key')
  if (!names.includes(keyName)) throw incomplete(`missing key ${keyName} for client certificate ${clientCert}. CA certificates must use the extension .crt`)
  return { ca: [...ca, ...own], cert: await readFile(join(directory, clientCert), 'utf8'), key: await readFile(join(directory, keyName), 'utf8') }
}

async function systemRoots(): Promise<string> {
  return readFile(SYSTEM_ROOTS, 'utf8').catch(() => rootCertificates.join('\n'))
}

function incomplete(message: string): ShoalError {
  return new ShoalError('invalid-argument', 'registry-certificates', message)
}
