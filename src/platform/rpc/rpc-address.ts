import { ShoalError } from '../../base/errors.ts'

export type RpcAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** "host:port", "[ipv6]:port" or "unix:/path". @throws ShoalError `invalid-address` (invalid-argument) */
export function parseAddress(address: string): RpcAddress {
  if (address.startsWith('unix:')) return { kind: 'unix', path: address.slice('unix:'.length) }
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) throw new ShoalError('invalid-argument', 'invalid-address', `"${address}" is neither host:port nor unix:/path`)
  return { kind: 'tcp', host: match[1] ?? match[2] ?? '', port }
}

/** Where the links of a server are that listens on this Unix socket: a socket of their own beside it (D-707). */
export function linkPathOf(path: string): string { return `${path}.links` }
