import type { LinkOperation } from '../../kernel/links.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { EndpointRecord } from './network-records.ts'

const SYSCTLS_OPTION = 'com.docker.network.endpoint.sysctls'

/** Gives the interface of an endpoint its addresses and brings it up, inside the container's namespace. */
export function bringEndpointUp(kernel: NetworkKernel, netns: string, endpoint: EndpointRecord): void {
  const { link, address, prefix, address6 = '', prefix6 = 0, linkLocals = [] } = endpoint
  const hasIpv6 = address6 !== '' || linkLocals.some(ip => ip.includes(':'))
  // Namespaces of containers begin without IPv6: an interface gets it with its first address.
  if (hasIpv6) kernel.netns.writeSysctl(netns, `ipv6/conf/${link}/disable_ipv6`, '0')
  const add = (cidr: string): LinkOperation => ({ kind: 'add-address', link, cidr })
  kernel.links.apply(netns, [
    ...(address === '' ? [] : [add(`${address}/${prefix}`)]),
    ...(address6 === '' ? [] : [add(`${address6}/${prefix6}`)]),
    ...linkLocals.map(ip => add(`${ip}/${ip.includes(':') ? 64 : 16}`)),
    { kind: 'set-link', name: link, up: true },
  ])
  for (const [key, value] of endpointSysctls(endpoint)) kernel.netns.writeSysctl(netns, key, value)
}

/** "net.ipv4.conf.IFNAME.log_martians=1,…": the keys below /proc/sys/net, with the interface's name. */
function endpointSysctls({ driverOpts, link }: EndpointRecord): readonly (readonly [key: string, value: string])[] {
  return (driverOpts[SYSCTLS_OPTION] ?? '').split(',').filter(each => each !== '').map(each => {
    const at = each.indexOf('=')
    return [each.slice(0, at).replace(/^net\./, '').split('.').map(part => (part === 'IFNAME' ? link : part)).join('/'), each.slice(at + 1)] as const
  })
}
