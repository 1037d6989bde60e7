import { randomInt, type Random } from '../../../src/base/random.ts'
import { hasCode, messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { NetworkedContainer } from './container-networks.ts'
import type { HostFirewall } from './host-firewall.ts'
import type { PublishedPort } from './network-records.ts'
import { parseIpv4 } from './ipv4.ts'

/** Where ports come from that the user leaves to us: the usual ephemeral range. */
const DYNAMIC_FIRST = 32768
const DYNAMIC_LAST = 60999
const DYNAMIC_TRIES = 256

interface WantedPort { readonly protocol: 'tcp' | 'udp'; readonly containerPort: number; readonly hostIp: string; readonly first: number; readonly last: number }

/**
 * Published ports of this host. Each is held by a socket of the daemon's as well, so that no other program takes it unnoticed; the
 * traffic itself never comes near the daemon.
 */
export class PortPublisher {
  readonly #kernel: NetworkKernel
  readonly #firewall: HostFirewall
  readonly #random: Random
  readonly #held = new Map<string, number>()

  constructor(kernel: NetworkKernel, firewall: HostFirewall, random: Random) {
    this.#kernel = kernel
    this.#firewall = firewall
    this.#random = random
  }

  /**
   * Takes the ports the container wants and directs them to `containerIp`. All or none.
   * @throws `port-in-use` (internal, as Docker's API answers), `invalid-port` (invalid-argument)
   */
  async publish(container: NetworkedContainer, containerIp: string, defaultHostIp: string): Promise<readonly PublishedPort[]> {
    const ports: PublishedPort[] = []
    try {
      for (const wanted of wantedPorts(container, defaultHostIp)) {
        ports.push({ protocol: wanted.protocol, hostIp: wanted.hostIp, hostPort: this.#takeOne(wanted, container), containerIp, containerPort: wanted.containerPort })
      }
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

  /** Takes a port's socket, after a restart or for the ingress network. Returns why not, or undefined. */
  hold(protocol: 'tcp' | 'udp', hostIp: string, port: number): string | undefined {
    try {
      this.#take(protocol, hostIp, port)
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  release(protocol: string, hostIp: string, port: number): void {
    const key = `${protocol} ${hostIp} ${port}`
    const fd = this.#held.get(key)
    this.#held.delete(key)
    if (fd !== undefined) this.#kernel.sockets.close(fd)
  }

  releaseAll(): void {
    for (const fd of this.#held.values()) this.#kernel.sockets.close(fd)
    this.#held.clear()
  }

  #takeOne(wanted: WantedPort, container: NetworkedContainer): number {
    const isDynamic = wanted.first === 0
    const span = isDynamic ? DYNAMIC_LAST - DYNAMIC_FIRST + 1 : wanted.last - wanted.first + 1
    const start = isDynamic ? randomInt(this.#random, span) : 0
    for (let step = 0; step < Math.min(span, isDynamic ? DYNAMIC_TRIES : span); step += 1) {
      const port = (isDynamic ? DYNAMIC_FIRST : wanted.first) + ((start + step) % span)
      try {
        this.#take(wanted.protocol, wanted.hostIp, port)
        return port
      } catch (error) {
        const isLast = step === span - 1 || (isDynamic && step === DYNAMIC_TRIES - 1)
        if (!hasCode(error, 'port-in-use') || isLast) throw inContext(error, container)
      }
    }
    throw new ShoalError('internal', 'port-in-use', `no free port from ${wanted.first} to ${wanted.last}`)
  }

  #take(protocol: 'tcp' | 'udp', hostIp: string, port: number): void {
    const key = `${protocol} ${hostIp} ${port}`
    if (this.#isTaken(protocol, hostIp, port)) throw new ShoalError('internal', 'port-in-use', `Bind for ${hostIp}:${port} failed: port is already allocated`)
    try {
      const { fd } = this.#kernel.sockets.bind(undefined, protocol, hostIp, port)
      this.#held.set(key, fd)
      if (protocol === 'tcp') this.#kernel.sockets.listen(fd)
    } catch (error) {
      this.release(protocol, hostIp, port)
      if (!hasCode(error, 'address-in-use')) throw error
      throw new ShoalError('internal', 'port-in-use', `failed to bind host port for ${hostIp}:${port}/${protocol}: address already in use`, { cause: error })
    }
  }

  /** A wildcard binding clashes with every address, and the other way round. */
  #isTaken(protocol: string, hostIp: string, port: number): boolean {
    if (hostIp !== '0.0.0.0') return this.#held.has(`${protocol} ${hostIp} ${port}`) || this.#held.has(`${protocol} 0.0.0.0 ${port}`)
    return [...this.#held.keys()].some(key => key.startsWith(`${protocol} `) && key.endsWith(` ${port}`))
  }
}

/** What a container asks for, ports with a number first so that dynamic ones do not take them. */
function wantedPorts(container: NetworkedContainer, defaultHostIp: string): WantedPort[] {
  const wanted: WantedPort[] = []
  for (const [key, bindings] of Object.entries(container.portBindings)) {
    for (const binding of bindings) wanted.push({ ...parsePortKey(key), hostIp: hostIpOf(binding.HostIp, defaultHostIp), ...parseRange(binding.HostPort ?? '') })
  }
  if (container.publishAllPorts) {
    for (const key of container.exposedPorts) {
      if (container.portBindings[key] === undefined) wanted.push({ ...parsePortKey(key), hostIp: defaultHostIp, first: 0, last: 0 })
    }
  }
  return wanted.sort((a, b) => Number(a.first === 0) - Number(b.first === 0))
}

/** @throws `invalid-port` when a binding cannot be served; for checking a container before it starts */
export function checkPorts(container: NetworkedContainer): void { wantedPorts(container, '0.0.0.0') }

function parsePortKey(key: string): { readonly protocol: 'tcp' | 'udp'; readonly containerPort: number } {
  const [port = '', protocol = 'tcp'] = key.split('/')
  if (protocol !== 'tcp' && protocol !== 'udp') {
    throw new ShoalError('not-implemented', 'unsupported-protocol', `cannot publish ${key}: only tcp and udp ports can be published`)
  }
  if (!isPort(port)) throw new ShoalError('invalid-argument', 'invalid-port', `invalid port specification: "${key}"`)
  return { protocol, containerPort: Number(port) }
}

function parseRange(text: string): { readonly first: number; readonly last: number } {
  if (text === '' || text === '0') return { first: 0, last: 0 }
  const [first = '', last = first] = text.split('-')
  if (!isPort(first) || !isPort(last) || Number(first) > Number(last)) throw new ShoalError('invalid-argument', 'invalid-port', `invalid port specification: "${text}"`)
  return { first: Number(first), last: Number(last) }
}

function hostIpOf(hostIp: string | undefined, defaultHostIp: string): string {
  if (hostIp === undefined || hostIp === '' || hostIp === '::') return defaultHostIp
  if (parseIpv4(hostIp) === undefined) {
    throw new ShoalError('not-implemented', 'ipv6-unsupported', `cannot publish on ${hostIp}: only IPv4 host addresses are supported`)
  }
  return hostIp
}

function isPort(text: string): boolean { return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535 }

function inContext(error: unknown, container: NetworkedContainer): unknown {
  if (!hasCode(error, 'port-in-use')) return error
  return new ShoalError('internal', 'port-in-use', `driver failed programming external connectivity on endpoint ${container.name} (${container.id.slice(0, 12)}): ${messageOf(error)}`, { cause: error })
}
