import { BlockList, isIP } from 'node:net'
import type { NameLookup } from './name-lookup.ts'
import type { RegistryConfig } from './registry-config.ts'

/** One place where a repository may be found. */
export interface RegistryEndpoint {
  /** "https://registry-1.docker.io", without a slash at the end */
  readonly url: string
  readonly isMirror: boolean
  /** Certificates are not checked. */
  readonly isInsecure: boolean
}

export const HUB_DOMAIN = 'docker.io'
export const HUB_URL = 'https://registry-1.docker.io'

/** Where to look for repositories of this domain, in order: mirrors, TLS, plain HTTP where that is allowed. */
export async function endpointsOf(domain: string, config: RegistryConfig, lookup: NameLookup, signal?: AbortSignal): Promise<readonly RegistryEndpoint[]> {
  if (domain === HUB_DOMAIN) {
    const mirrors = await Promise.all(config.mirrors.map(async url => ({ url: url.replace(/\/+$/, ''), isMirror: true, isInsecure: await isInsecure(new URL(url).host, config, lookup, signal) })))
    return [...mirrors, { url: HUB_URL, isMirror: false, isInsecure: false }]
  }
  const insecure = await isInsecure(domain, config, lookup, signal)
  const secured = { url: `https://${domain}`, isMirror: false, isInsecure: insecure }
  return insecure ? [secured, { ...secured, url: `http://${domain}` }] : [secured]
}

/** By name, or because one of its addresses is in an insecure network. A name that cannot be resolved is secure. */
async function isInsecure(domain: string, config: RegistryConfig, lookup: NameLookup, signal: AbortSignal | undefined): Promise<boolean> {
  if (config.insecure.includes(domain)) return true
  const { hostname } = new URL(`http://${domain}`)
  const host = hostname.replace(/^\[|\]$/g, '')
  if (config.insecure.includes(host)) return true
  const networks = networksOf(config.insecure)
  const addresses = isIP(host) !== 0 ? [host] : await lookup.addresses(host, signal)
  return addresses.some(address => networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
}

function networksOf(insecure: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of ['127.0.0.0/8', '::1/128', ...insecure]) {
    const [address = '', bits = ''] = text.split('/')
    const family = isIP(address)
    if (family !== 0 && bits !== '') list.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}
