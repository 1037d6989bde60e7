/** How registries are reached; asked anew for each pull or push, so that a reload of the daemon's configuration counts at once. */
export interface RegistryConfig {
  /** URLs that stand before Docker Hub. */
  readonly mirrors: readonly string[]
  /** "host", "host:port" or a CIDR: certificates are not checked there, and plain HTTP will do. Loopback always is. */
  readonly insecure: readonly string[]
  /** Layers fetched at once for one image, and sent at once. */
  readonly downloadsMax: number
  readonly uploadsMax: number
  /** Tries for one layer whose transfer breaks. */
  readonly attemptsMax: number
  /** Folders with HOST[:PORT]/{*.crt,*.cert,*.key}; the first that has one for a host counts. */
  readonly certificateFolders: readonly string[]
  /** URLs of proxies, and hosts that are reached without ("localhost,.example.com"). This host itself always is. Absent: as the environment says. */
  readonly proxies?: { readonly http?: string | undefined; readonly https?: string | undefined; readonly none?: string | undefined }
}

export const DEFAULT_REGISTRY_CONFIG: RegistryConfig = {
  mirrors: [], insecure: [], downloadsMax: 3, uploadsMax: 5, attemptsMax: 5, certificateFolders: ['/etc/shoal/certs.d', '/etc/docker/certs.d'],
}

/** What a client sends with X-Registry-Auth or to /auth. */
export interface RegistryCredentials {
  readonly username?: string
  readonly password?: string
  /** From an earlier login: exchanged for tokens instead of the password. */
  readonly identitytoken?: string
  /** Used as it is. */
  readonly registrytoken?: string
  readonly serveraddress?: string
}

/** The header X-Registry-Auth: base64 (URL or plain alphabet) of JSON. What cannot be read counts as none, as dockerd has it. */
export function decodeRegistryAuth(header: string | undefined): RegistryCredentials {
  if (header === undefined || header === '') return {}
  try {
    const value: unknown = JSON.parse(Buffer.from(header, 'base64url').toString())
    return typeof value === 'object' && value !== null ? credentialsOf(value as Readonly<Record<string, unknown>>) : {}
  } catch {
    return {}
  }
}

/** "auth" is base64 of "user:password", as in the CLI's configuration file. */
function credentialsOf(value: Readonly<Record<string, unknown>>): RegistryCredentials {
  const text = (key: string): string | undefined => (typeof value[key] === 'string' && value[key] !== '' ? value[key] : undefined)
  const pair = Buffer.from(text('auth') ?? '', 'base64').toString()
  const colon = pair.indexOf(':')
  return {
    username: text('username') ?? (colon > 0 ? pair.slice(0, colon) : undefined), password: text('password') ?? (colon > 0 ? pair.slice(colon + 1) : undefined),
    identitytoken: text('identitytoken'), registrytoken: text('registrytoken'), serveraddress: text('serveraddress'),
  }
}
