import { ShoalError } from '../../../src/base/errors.ts'
import { familyOf } from '../../../src/base/ip-address.ts'
import { AddressPool } from './ipam.ts'

/** One subnet of a network as it was decided when the network was made. */
export interface SubnetSettings {
  readonly subnet: string
  /** Empty: nobody leads out of it. */
  readonly gateway: string
  /** Where containers send what goes out, if that is not the gateway. */
  readonly routeGateway?: string
  readonly range?: string | undefined
  readonly auxiliary: readonly string[]
}

/** Empty texts: any address of a family the network has. */
export interface WantedAddresses { readonly address: string; readonly address6: string }
/** An endpoint's addresses; empty for a family the network has not. */
export interface Allocation extends WantedAddresses {
  readonly prefix: number
  readonly gateway: string
  readonly prefix6: number
  readonly gateway6: string
}

/** Where the endpoints of one network have their addresses from. */
export interface AddressSource {
  /** Takes addresses. @throws `address-in-use`, `address-outside-subnet`, `no-free-address`, `overlay-address-missing` */
  allocate(wanted: WantedAddresses): Allocation
  /** Marks the addresses of an endpoint that was there before a restart as taken. */
  claim(taken: { readonly address: string; readonly address6?: string }): void
  release(taken: { readonly address: string; readonly address6?: string }): void
}

interface Pool { readonly settings: SubnetSettings; readonly family: 4 | 6; readonly prefix: number; readonly addresses: AddressPool }

/** All subnets of a network: an endpoint gets one address of each family that there is. */
export class NetworkPools implements AddressSource {
  readonly #pools: readonly Pool[]
  readonly #hasGateways: boolean

  /** @param options.hasGateways endpoints are told where it leads outside */
  constructor(subnets: readonly SubnetSettings[], options: { readonly hasGateways: boolean }) {
    this.#hasGateways = options.hasGateways
    this.#pools = subnets.map(settings => ({
      settings, family: familyOf(settings.subnet), prefix: Number(settings.subnet.split('/')[1]),
      addresses: new AddressPool(settings.subnet, { range: settings.range, reserved: [settings.gateway, ...settings.auxiliary] }),
    }))
  }

  /** @throws `address-in-use` (conflict), `address-outside-subnet` (invalid-argument), `no-free-address` (resource-exhausted) */
  allocate(wanted: WantedAddresses): Allocation {
    const first = this.#take(4, wanted.address)
    try {
      const second = this.#take(6, wanted.address6)
      const gateways = this.#hasGateways ? { gateway: first.gateway, gateway6: second.gateway } : { gateway: '', gateway6: '' }
      return { address: first.address, prefix: first.prefix, address6: second.address, prefix6: second.prefix, ...gateways }
    } catch (error) {
      this.release({ address: first.address })
      throw error
    }
  }

  claim(taken: { readonly address: string; readonly address6?: string }): void {
    for (const ip of [taken.address, taken.address6 ?? '']) this.#of(ip)?.addresses.claim(ip)
  }

  release(taken: { readonly address: string; readonly address6?: string }): void {
    for (const ip of [taken.address, taken.address6 ?? '']) this.#of(ip)?.addresses.release(ip)
  }

  #of(ip: string): Pool | undefined { return ip === '' ? undefined : this.#pools.find(pool => pool.addresses.has(ip)) }

  #take(family: 4 | 6, wanted: string): { readonly address: string; readonly prefix: number; readonly gateway: string } {
    const pools = this.#pools.filter(pool => pool.family === family)
    if (wanted !== '' && this.#of(wanted) === undefined) {
      throw new ShoalError('invalid-argument', 'address-outside-subnet', pools.length === 0
        ? 'user specified IP address is supported only when connecting to networks with user configured subnets'
        : `Invalid address ${wanted}: It does not belong to any of this network's subnets`)
    }
    const [first, ...others] = wanted === '' ? pools : pools.filter(pool => pool.addresses.has(wanted))
    if (first === undefined) return { address: '', prefix: 0, gateway: '' }
    return takeFrom([first, ...others], wanted)
  }
}

function takeFrom([pool, ...others]: readonly [Pool, ...Pool[]], wanted: string): { readonly address: string; readonly prefix: number; readonly gateway: string } {
  try {
    return { address: pool.addresses.allocate(wanted), prefix: pool.prefix, gateway: pool.settings.routeGateway ?? pool.settings.gateway }
  } catch (error) {
    const [next, ...rest] = others
    if (next === undefined || !(error instanceof ShoalError) || error.code !== 'no-free-address') throw error
    return takeFrom([next, ...rest], wanted)
  }
}
