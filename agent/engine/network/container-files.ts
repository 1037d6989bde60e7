import type { NetworkedContainer } from './container-networks.ts'
import type { EndpointRecord } from './network-records.ts'

/** What a host's /etc/resolv.conf says. */
export interface ResolverSettings { readonly nameservers: readonly string[]; readonly search: readonly string[]; readonly options: readonly string[] }

const LOCALHOST_LINES = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', 'fe00::\tip6-localnet', 'ff00::\tip6-mcastprefix', 'ff02::1\tip6-allnodes', 'ff02::2\tip6-allrouters']

/** Docker's choice. */
const PUBLIC_SERVERS = ['8.8.8.8', '8.8.4.4', '2001:4860:4860::8888', '2001:4860:4860::8844']

/** Contents of a container's /etc/hosts. `linked`: addresses of containers named by --link, with all their names. */
export function hostsFile(container: NetworkedContainer, options: {
  readonly endpoints: readonly EndpointRecord[]
  /** What "host-gateway" stands for. */
  readonly hostGateways: readonly string[]
  readonly linked: readonly { readonly address: string; readonly names: readonly string[] }[]
}): string {
  const lines = [...LOCALHOST_LINES]
  for (const extra of container.extraHosts) lines.push(...extraHostLines(extra, options.hostGateways))
  for (const { address, names } of options.linked) lines.push(`${address}\t${names.join(' ')}`)
  for (const { address, address6 = '' } of options.endpoints.filter(each => !each.isHidden)) {
    for (const ip of [address, address6]) if (ip !== '') lines.push(`${ip}\t${ownNames(container)}`)
  }
  return `${lines.join('\n')}\n`
}

/** A line for "name:ip", or for each address of "name:host-gateway". */
export function extraHostLines(extra: string, hostGateways: readonly string[]): readonly string[] {
  const at = extra.search(/[:=]/)
  const ip = extra.slice(at + 1).replace(/^\[(.*)\]$/, '$1')
  if (at <= 0) return []
  return (ip === 'host-gateway' ? hostGateways : [ip]).map(address => `${address}\t${extra.slice(0, at)}`)
}

/**
 * Contents of a container's /etc/resolv.conf. With the embedded resolver, the container's own servers are that one's upstreams. Where nobody is
 * left to ask, because the host's resolver only answers the host, it is who Docker asks then.
 */
export function resolvConf(container: NetworkedContainer, host: ResolverSettings, options: { readonly isEmbedded: boolean; readonly hasIpv6: boolean; readonly isHost?: boolean }): string {
  const search = container.dnsSearch.length > 0 ? container.dnsSearch.filter(domain => domain !== '.') : host.search
  const words = container.dnsOptions.length > 0 ? container.dnsOptions : host.options
  const upstreams = upstreamsOf(container, host)
  const nameservers = options.isEmbedded ? ['127.0.0.11'] : upstreams.length > 0 || options.isHost === true ? upstreams : PUBLIC_SERVERS.filter(ip => options.hasIpv6 || !ip.includes(':'))
  const withDots = options.isEmbedded && !words.some(word => word.startsWith('ndots:')) ? [...words, 'ndots:0'] : words
  return [
    ...nameservers.map(ip => `nameserver ${ip}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(withDots.length > 0 ? [`options ${withDots.join(' ')}`] : []),
  ].join('\n') + '\n'
}

/** Servers for names that are not ours. A server on the host's loopback cannot be reached from a container. */
export function upstreamsOf(container: NetworkedContainer, host: ResolverSettings): readonly string[] {
  return container.dns.length > 0 ? container.dns : host.nameservers.filter(ip => !ip.startsWith('127.') && ip !== '::1')
}

export function parseResolvConf(text: string): ResolverSettings {
  const words = text.split('\n').map(line => line.replace(/[#;].*$/, '').trim().split(/\s+/))
  const last = (key: string): readonly string[] => words.filter(([first]) => first === key).at(-1)?.slice(1) ?? []
  return {
    nameservers: words.flatMap(([first, ip]) => (first === 'nameserver' && ip !== undefined ? [ip] : [])),
    search: last('search'),
    options: words.flatMap(([first, ...rest]) => (first === 'options' ? rest : [])),
  }
}

function ownNames({ hostname, domainname }: NetworkedContainer): string {
  if (domainname !== '') return `${hostname}.${domainname} ${hostname}`
  const [short = hostname] = hostname.split('.')
  return short === hostname ? hostname : `${hostname} ${short}`
}
