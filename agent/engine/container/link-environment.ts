import type { ContainerRecord } from './container-record.ts'

/** The image's and the engine's own, which a link does not tell of. */
const NOT_TOLD: ReadonlySet<string> = new Set(['PATH', 'HOME', 'HOSTNAME', 'TERM'])

/**
 * The variables by which a container of the default bridge learns of one that it is linked to: ALIAS_NAME, for each exposed port ALIAS_PORT_80_TCP and its
 * parts, and ALIAS_ENV_X for the other's own variables.
 */
export function linkEnvironment(own: ContainerRecord, links: readonly { readonly alias: string; readonly target: ContainerRecord }[]): readonly string[] {
  return links.flatMap(({ alias, target }) => {
    const prefix = alias.toUpperCase().replaceAll('-', '_')
    const address = target.sandbox?.endpoints['bridge']?.IPAddress ?? ''
    const ports = Object.keys(target.config.ExposedPorts ?? {}).map(key => key.split('/')).map(([port = '', protocol = 'tcp']) => ({ port, protocol })).sort((a, b) => Number(a.port) - Number(b.port))
    const url = ({ port, protocol }: { readonly port: string; readonly protocol: string }): string => `${protocol}://${address}:${port}`
    const [first] = ports
    return [
      ...(first === undefined ? [] : [`${prefix}_PORT=${url(first)}`]),
      ...ports.flatMap(each => {
        const name = `${prefix}_PORT_${each.port}_${each.protocol.toUpperCase()}`
        return [`${name}=${url(each)}`, `${name}_ADDR=${address}`, `${name}_PORT=${each.port}`, `${name}_PROTO=${each.protocol}`]
      }),
      `${prefix}_NAME=/${own.name}/${alias}`,
      ...(target.config.Env ?? []).filter(entry => !NOT_TOLD.has(entry.split('=', 1)[0] ?? '')).map(entry => `${prefix}_ENV_${entry}`),
    ]
  })
}

/** Links that hold by the default bridge; on networks of the user a link is a name that is looked up when it is asked for. */
export function bridgeLinks({ hostConfig }: Pick<ContainerRecord, 'hostConfig'>): readonly { readonly target: string; readonly alias: string }[] {
  return ['default', 'bridge', ''].includes(hostConfig.NetworkMode ?? 'default') ? (hostConfig.Links ?? []).map(parseLink) : []
}

/** "target:alias", the alias being the name when there is none. */
export function parseLink(link: string): { readonly target: string; readonly alias: string } {
  const [target = '', alias = ''] = link.replace(/^\//, '').split(':')
  return { target, alias: alias === '' ? target : alias.replace(/^.*\//, '') }
}
