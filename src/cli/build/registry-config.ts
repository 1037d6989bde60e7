import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Credentials that `docker login` keeps in its file, as the header X-Registry-Config has them; undefined for none. Credential helpers are not asked. */
export async function registryConfig(environment: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  const directory = environment['DOCKER_CONFIG'] ?? join(environment['HOME'] ?? '/root', '.docker')
  const text = await readFile(join(directory, 'config.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { auths = {} } = JSON.parse(text) as { auths?: Readonly<Record<string, { auth?: string; identitytoken?: string }>> }
  const entries = Object.entries(auths).flatMap(([host, { auth, identitytoken }]) => {
    if (auth === undefined || auth === '') return []
    const [username = '', ...password] = Buffer.from(auth, 'base64').toString().split(':')
    return [[host, { username, password: password.join(':'), serveraddress: host, ...(identitytoken === undefined ? {} : { identitytoken }) }] as const]
  })
  return entries.length === 0 ? undefined : Buffer.from(JSON.stringify(Object.fromEntries(entries))).toString('base64url')
}
