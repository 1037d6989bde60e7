import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os'
import { hostOf, portOf } from './address-parts.ts'
import type { SwarmState } from './swarm-state.ts'

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/**
 * The state with the address that this host has now. One that was on an interface of this host and is gone (a new lease, another rack) is replaced by the only
 * other one there; one that never was here (a router's) is left alone, and so is one where it is not clear what took its place.
 * @returns the same object when nothing is to change
 */
export function followAddress(state: SwarmState, interfaces: Interfaces = networkInterfaces()): SwarmState {
  const host = hostOf(state.advertiseAddress)
  const [at] = Object.entries(interfaces).find(([, infos]) => infos?.some(info => info.address === host) === true) ?? []
  if (at !== undefined) return state.advertiseInterface === at ? state : { ...state, advertiseInterface: at }
  if (state.advertiseInterface === undefined) return state
  const family = host.includes(':') ? 'IPv6' : 'IPv4'
  const [only, second] = (interfaces[state.advertiseInterface] ?? []).filter(info => info.family === family && !info.internal && !/^(169\.254\.|fe80:)/.test(info.address))
  if (only === undefined || second !== undefined) return state
  return withAdvertise(state, `${family === 'IPv6' ? `[${only.address}]` : only.address}:${portOf(state.advertiseAddress)}`)
}

/** The state with another address, also where the old one stood for something else: what the manager listens on, containers' traffic, the list of managers. */
export function withAdvertise(state: SwarmState, advertiseAddress: string): SwarmState {
  const [before, after] = [hostOf(state.advertiseAddress), hostOf(advertiseAddress)]
  const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
  return {
    ...state, advertiseAddress,
    listenAddress: hostOf(state.listenAddress) === before ? `${bracketed(after)}:${portOf(state.listenAddress)}` : state.listenAddress,
    dataAddress: state.dataAddress === before ? after : state.dataAddress,
    managers: state.managers.map(manager => (manager.nodeId === state.nodeId || manager.addr === state.advertiseAddress ? { ...manager, addr: advertiseAddress } : manager)),
  }
}
