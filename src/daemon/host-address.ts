import { createSocket } from 'node:dgram'
import { promises as dns } from 'node:dns'
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os'
import { ShoalError } from '../base/errors.ts'
import { hostOf, portOf } from './address-parts.ts'

const MANAGER_PORT = 2377
/** Interfaces of our own are never where others reach this host. */
const OWN_INTERFACES = /^(lo|docker0|docker_gwbridge|veth|br-|shoal|sb-)/

/** "ip", "ip:port", "interface" or "interface:port" to "ip:port". @throws ShoalError `bad-address` */
export function resolveAddress(text: string, defaultPort = MANAGER_PORT): string {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text)
  if (match === null) throw badAddress(`${text} is not an address: give an IP or interface, and perhaps a port`)
  const name = match[1] ?? match[2] ?? ''
  const port = Number(match[3] ?? defaultPort)
  if (port < 1 || port > 65535) throw badAddress(`${text}: port ${port} is out of range`)
  if (/^[\d.]+$|:/.test(name)) return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`
  const found = (networkInterfaces()[name] ?? []).filter(isUsable)
  if (found.length === 0) throw badAddress(`interface ${name} has no usable IP address, or does not exist`)
  if (found.length > 1) throw badAddress(`interface ${name} has more than one IPv4 address (${found.map(info => info.address).join(' and ')})`)
  return `${found[0]?.address ?? ''}:${port}`
}

/** Where another host is: "ip", "name" or either with a port, to "ip:port". @throws ShoalError `bad-address` */
export async function resolveRemote(text: string): Promise<string> { return (await resolveRemotes(text))[0] ?? resolveAddress(text) }

/** The same, all addresses that a name has: at least one. */
export async function resolveRemotes(text: string): Promise<readonly string[]> {
  const match = /^([a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::(\d+))?$/.exec(text)
  const name = match?.[1]
  if (name === undefined || /^[\d.]+$/.test(name)) return [resolveAddress(text)]
  try {
    return (await dns.lookup(name, { family: 4, all: true })).map(({ address }) => resolveAddress(`${address}:${match?.[2] ?? MANAGER_PORT}`))
  } catch (cause) {
    throw cause instanceof ShoalError ? cause : new ShoalError('invalid-argument', 'bad-address', `the name ${name} cannot be resolved: give the manager's IP address, or correct the name`, { cause })
  }
}

/** The one address others can reach this host at. @throws ShoalError `bad-address` when there is none or more than one: the text is Docker's, its CLI adds advice to it */
export function chooseAddress(): string {
  const candidates = Object.entries(networkInterfaces()).filter(([name]) => !OWN_INTERFACES.test(name)).flatMap(([name, infos]) => (infos ?? []).filter(isUsable).map(info => ({ name, address: info.address })))
  const [only, second] = candidates
  if (only === undefined) throw badAddress('could not find the system\'s IP address - specify one with --advertise-addr')
  if (second === undefined) return only.address
  const where = only.name === second.name ? `multiple addresses on interface ${only.name} (${only.address} and ${second.address})` : `multiple addresses on different interfaces (${only.address} on ${only.name} and ${second.address} on ${second.name})`
  throw badAddress(`could not choose an IP address to advertise since this system has ${where} - specify one with --advertise-addr`)
}

/** Where others reach a host that listens there and was not told otherwise: "ip:port". @throws ShoalError `bad-address` */
export function defaultAdvertise(listenAddress: string): string {
  return /^0\.0\.0\.0:/.test(listenAddress) ? `${chooseAddress()}:${portOf(listenAddress)}` : listenAddress
}

/** The address from which this host reaches `remote` (host:port); no packet is sent. */
export async function localAddressTowards(remote: string): Promise<string> {
  const at = remote.lastIndexOf(':')
  const socket = createSocket('udp4')
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.connect(Number(remote.slice(at + 1)), remote.slice(0, at).replace(/^\[|\]$/g, ''), resolve)
    })
    return socket.address().address
  } catch (cause) {
    throw new ShoalError('unavailable', 'bad-address', `there is no way from this host to ${remote}`, { cause })
  } finally {
    socket.close()
  }
}

/**
 * Where this host reaches its own manager. An advertised address may be one that only others reach it at (a public address before a router):
 * what listens is dialled instead.
 */
export function ownAddress({ advertiseAddress, listenAddress }: { readonly advertiseAddress: string; readonly listenAddress: string }): string {
  const split = (address: string): { readonly host: string; readonly port: number } => ({ host: hostOf(address), port: portOf(address) })
  const isHere = Object.values(networkInterfaces()).some(infos => infos?.some(info => info.address === split(advertiseAddress).host) === true)
  const listen = split(listenAddress)
  if (isHere) return advertiseAddress
  if (listen.host === '::') return `[::1]:${listen.port}`
  return listen.host === '0.0.0.0' ? `127.0.0.1:${listen.port}` : listenAddress
}

function isUsable(info: NetworkInterfaceInfo): boolean { return info.family === 'IPv4' && !info.internal && !info.address.startsWith('169.254.') }
function badAddress(message: string): ShoalError { return new ShoalError('invalid-argument', 'bad-address', message) }
