import { randomInt, type Random } from '../../../src/base/random.ts'
import { familyOf, formatIp, parseIp } from '../../../src/base/ip-address.ts'
import { hasCode, messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { NetworkedContainer } from './container-networks.ts'
import type { HostFirewall } from './host-firewall.ts'
import type { PortProtocol, PublishedPort } from './network-records.ts'

/** Where ports come from that the user leaves to us: the usual ephemeral range. */
const DYNAMIC_FIRST = 32768
const DYNAMIC_LAST = 60999
const DYNAMIC_TRIES = 256

/** Where a container is reached, and how. Empty: it has no address of that family. */
export interface PublishTarget {
  readonly address: string
  readonly address6: string
  /** For ports that name no host address. */
  readonly defaultHostIp: string
  /** The container is reached at its own address: the port is opened there. */
  readonly isRouted4: boolean
  readonly isRouted6: boolean
  readonly endpointId: string
}

/** One port of the container at one or more host addresses, the same port at each. */
interface WantedPort {
  readonly protocol: PortProtocol
  readonly containerPort: number
  readonly binds: readonly Bind[]
  readonly first: number
  readonly last: number
}
interface Bind { readonly hostIp: string; readonly containerIp: string }

const ANY4 = '0.0.0.0'
const ANY6 = '::'

/**
 * Published ports of this host. Each is held by a socket of the daemon's as well, so that no other program takes it unnoticed. The kernel
 * directs the traffic; only what it cannot direct, from ::1 and from IPv6 to a container without it, is passed on by that socket (D-382).
 */
export class PortPublisher {
  readonly #kernel: NetworkKernel
  readonly #firewall: HostFirewall
  readonly #random: Random
  readonly #hasProxy: boolean
  /** Undefined: held by name alone, as this kernel has no sockets of the kind. */
  readonly #held = new Map<string, number | undefined>()

  constructor(options: { readonly kernel: NetworkKernel; readonly firewall: HostFirewall; readonly random: Random; readonly hasProxy: boolean }) {
    this.#kernel = options.kernel
    this.#firewall = options.firewall
    this.#random = options.random
    this.#hasProxy = options.hasProxy
  }

  /**
   * Takes the ports the container wants and directs them to it. All or none.
   * @throws `port-in-use` (internal, as Docker's API answers), `invalid-port` (invalid-argument)
   */
  async publish(container: NetworkedContainer, target: PublishTarget): Promise<readonly PublishedPort[]> {
    const ports: PublishedPort[] = []
    try {
      for (const wanted of this.#wantedPorts(container, target)) ports.push(...this.#takeOne(wanted, `${container.name} (${target.endpointId})`))
      await this.#firewall.changePorts({ add: ports, remove: [] })
    } catch (error) {
      for (const port of ports) this.release(port.protocol, port.hostIp, port.hostPort)
      throw error
    }
    return ports
  }

  async unpublish(ports: readonly PublishedPort[]): Promise<void> {
    await this.#firewall.changePorts({ add: [], remove: ports })
    for (const port of ports) this.release(port.protocol, port.hostIp, port.hostPort)
  }

  /** Takes the socket of a port of the ingress network. Returns why not, or undefined. */
  hold(protocol: PortProtocol, hostIp: string, port: number): string | undefined { return this.#tryTake(protocol, { hostIp, containerIp: '' }, { hostPort: port, containerPort: port }) }

  /** Takes the socket of a published port after a restart. Returns why not, or undefined. */
  adopt(port: PublishedPort): string | undefined { return isOpenedOnly(port) ? undefined : this.#tryTake(port.protocol, port, port) }

  release(protocol: string, hostIp: string, port: number): void {
    const key = `${protocol} ${hostIp} ${port}`
    const fd = this.#held.get(key)
    this.#held.delete(key)
    if (fd !== undefined) this.#kernel.sockets.close(fd)
  }

  releaseAll(): void {
    for (const fd of this.#held.values()) if (fd !== undefined) this.#kernel.sockets.close(fd)
    this.#held.clear()
  }

  #tryTake(protocol: PortProtocol, bind: Bind, ports: { readonly hostPort: number; readonly containerPort: number }): string | undefined {
    try {
      this.#take(protocol, bind, ports)
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  #takeOne(wanted: WantedPort, endpoint: string): readonly PublishedPort[] {
    const { protocol, containerPort, binds } = wanted
    const isDynamic = wanted.first === 0
    const span = isDynamic ? DYNAMIC_LAST - DYNAMIC_FIRST + 1 : wanted.last - wanted.first + 1
    const start = isDynamic ? randomInt(this.#random, span) : 0
    const tries = Math.min(span, isDynamic ? DYNAMIC_TRIES : span)
    const opened = binds.filter(bind => bind.hostIp === '').map(({ containerIp }): PublishedPort => ({ protocol, hostIp: '', hostPort: 0, containerIp, containerPort }))
    const bound = binds.filter(bind => bind.hostIp !== '')
    if (bound.length === 0) return opened
    for (let step = 0; ; step += 1) {
      const hostPort = (isDynamic ? DYNAMIC_FIRST : wanted.first) + ((start + step) % span)
      try {
        this.#takeAll(protocol, bound, { hostPort, containerPort })
        return [...opened, ...bound.map(({ hostIp, containerIp }): PublishedPort => ({ protocol, hostIp, hostPort, containerIp, containerPort }))]
      } catch (error) {
        if (!hasCode(error, 'port-in-use') || step === tries - 1) throw inContext(error, endpoint)
      }
    }
  }

  /** One port at several addresses: all or none. */
  #takeAll(protocol: PortProtocol, binds: readonly Bind[], ports: { readonly hostPort: number; readonly containerPort: number }): void {
    const taken: Bind[] = []
    try {
      for (const bind of binds) {
        this.#take(protocol, bind, ports)
        taken.push(bind)
      }
    } catch (error) {
      for (const { hostIp } of taken) this.release(protocol, hostIp, ports.hostPort)
      throw error
    }
  }

  #take(protocol: PortProtocol, { hostIp, containerIp }: Bind, { hostPort, containerPort }: { readonly hostPort: number; readonly containerPort: number }): void {
    const key = `${protocol} ${hostIp} ${hostPort}`
    const shown = hostIp.includes(':') ? `[${hostIp}]` : hostIp
    if (this.#isTaken(protocol, hostIp, hostPort)) throw new ShoalError('internal', 'port-in-use', `Bind for ${shown}:${hostPort} failed: port is already allocated`)
    try {
      const { fd } = this.#kernel.sockets.bind(undefined, protocol, hostIp, hostPort)
      this.#held.set(key, fd)
      if (protocol !== 'sctp' && familyOf(hostIp) === 6 && containerIp !== '' && this.#hasProxy) this.#kernel.sockets.forward(fd, protocol, { address: containerIp, port: containerPort })
      else if (protocol === 'tcp') this.#kernel.sockets.listen(fd)
    } catch (error) {
      if (hasCode(error, 'protocol-unsupported')) {
        this.#held.set(key, undefined)
        return
      }
      this.release(protocol, hostIp, hostPort)
      if (!hasCode(error, 'address-in-use')) throw error
      throw new ShoalError('internal', 'port-in-use', `failed to bind host port for ${shown}:${hostPort}:${containerIp}:${containerPort}/${protocol}: address already in use`, { cause: error })
    }
  }

  /** A wildcard binding clashes with every address of its family, and the other way round. */
  #isTaken(protocol: string, hostIp: string, port: number): boolean {
    const any = familyOf(hostIp) === 4 ? ANY4 : ANY6
    if (hostIp !== any) return this.#held.has(`${protocol} ${hostIp} ${port}`) || this.#held.has(`${protocol} ${any} ${port}`)
    return [...this.#held.keys()].some(key => {
      const [heldProtocol, heldIp = '', heldPort] = key.split(' ')
      return heldProtocol === protocol && heldPort === String(port) && familyOf(heldIp) === familyOf(hostIp)
    })
  }

  /** What a container asks for, ports with a number first so that dynamic ones do not take them. */
  #wantedPorts(container: NetworkedContainer, target: PublishTarget): WantedPort[] {
    return portRequests(container).map(({ hostIp, ...request }) => ({ ...request, binds: this.#binds(hostIp, request.protocol, target) })).sort((a, b) => Number(a.first === 0) - Number(b.first === 0))
  }

  /** @returns where to listen for a binding's host address, empty: everywhere. Nothing is listened on where only opening is needed. */
  #binds(hostIp: string, protocol: PortProtocol, target: PublishTarget): readonly Bind[] {
    const { address, address6, defaultHostIp } = target
    const wants4 = hostIp === '' || familyOf(hostIp) === 4
    const wants6 = hostIp === '' ? defaultHostIp === ANY4 : familyOf(hostIp) === 6
    const canProxy = protocol !== 'sctp' && this.#hasProxy
    const binds: Bind[] = []
    if (wants4 && address !== '') binds.push({ hostIp: target.isRouted4 ? '' : hostIp === '' ? defaultHostIp : hostIp, containerIp: address })
    if (wants6 && address6 !== '') binds.push({ hostIp: target.isRouted6 ? '' : hostIp === '' ? ANY6 : hostIp, containerIp: address6 })
    if (wants6 && address6 === '' && address !== '' && !target.isRouted4 && canProxy && this.#kernel.hasIpv6) binds.push({ hostIp: hostIp === '' ? ANY6 : hostIp, containerIp: address })
    if (binds.length === 0 && hostIp !== '') throw new ShoalError('invalid-argument', 'invalid-port', `cannot publish on ${hostIp}: the container has no address of that family; use a network that has one`)
    return binds
  }
}

/** A port that is open at the container's own address, without one of the host. */
export function isOpenedOnly(port: PublishedPort): boolean { return port.hostIp === '' }

interface PortRequest { readonly protocol: PortProtocol; readonly containerPort: number; readonly hostIp: string; readonly first: number; readonly last: number }

function portRequests(container: NetworkedContainer): readonly PortRequest[] {
  const requests: PortRequest[] = []
  for (const [key, bindings] of Object.entries(container.portBindings)) {
    const port = parsePortKey(key)
    for (const binding of bindings.length > 0 ? bindings : [{}]) requests.push({ ...port, hostIp: hostIpOf(binding.HostIp), ...parseRange(binding.HostPort ?? '') })
  }
  if (container.publishAllPorts) {
    for (const key of container.exposedPorts) if (container.portBindings[key] === undefined) requests.push({ ...parsePortKey(key), hostIp: '', first: 0, last: 0 })
  }
  return requests
}

/** @throws `invalid-port` when a binding cannot be served; for checking a container before it starts */
export function checkPorts(container: NetworkedContainer): void { portRequests(container) }

function parsePortKey(key: string): { readonly protocol: PortProtocol; readonly containerPort: number } {
  const [port = '', protocol = 'tcp'] = key.split('/')
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') throw new ShoalError('invalid-argument', 'invalid-port', `invalid protocol: ${protocol}`)
  if (!isPort(port)) throw new ShoalError('invalid-argument', 'invalid-port', `invalid port specification: "${key}"`)
  return { protocol, containerPort: Number(port) }
}

function parseRange(text: string): { readonly first: number; readonly last: number } {
  if (text === '' || text === '0') return { first: 0, last: 0 }
  const [first = '', last = first] = text.split('-')
  if (!isPort(first) || !isPort(last) || Number(first) > Number(last)) throw new ShoalError('invalid-argument', 'invalid-port', `invalid port specification: "${text}"`)
  return { first: Number(first), last: Number(last) }
}

function hostIpOf(text = ''): string {
  const ip = text.replace(/^\[(.*)\]$/, '$1')
  if (ip === '') return ''
  const parsed = parseIp(ip)
  if (parsed === undefined) throw new ShoalError('invalid-argument', 'invalid-port', `invalid IP address: ${text}`)
  return formatIp(parsed)
}

function isPort(text: string): boolean { return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535 }

function inContext(error: unknown, endpoint: string): unknown {
  if (!hasCode(error, 'port-in-use')) return error
  return new ShoalError('internal', 'port-in-use', `failed to set up container networking: driver failed programming external connectivity on endpoint ${endpoint}: ${messageOf(error)}`, { cause: error })
}
