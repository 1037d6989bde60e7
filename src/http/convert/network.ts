import { make, type Draft } from '../../api/codec/codec.ts'
import type { IPAM, IPAMConfig, Network as NetworkJson, NetworkCreateRequest } from '../../api/engine/engine-json.ts'
import type { SwarmIpamOptions } from '../../api/engine/swarm-json.ts'
import type { Network } from '../../api/swarm/objects.ts'
import type { IpamConfig, IpamOptions, NetworkSpec } from '../../api/swarm/specs.ts'
import { driverToJson } from './common.ts'
import { some, timeText } from './json-value.ts'

const VNI_OPTION = 'com.docker.network.driver.overlay.vxlanid_list'

/** A swarm network as GET /networks shows it. */
export function networkToJson(network: Network): NetworkJson {
  const { spec, state } = network
  return {
    Name: spec?.annotations?.name ?? '', Id: network.id, Created: timeText(network.meta?.createdAtMs ?? 0), Scope: 'swarm',
    Driver: state?.driver || spec?.driver?.name || 'overlay', EnableIPv4: true, EnableIPv6: spec?.ipv6Enabled ?? false, IPAM: ipamToJson(state?.ipam ?? spec?.ipam),
    Internal: spec?.internal ?? false, Attachable: spec?.attachable ?? false, Ingress: spec?.ingress ?? false, ConfigFrom: { Network: spec?.configFrom ?? '' },
    ConfigOnly: spec?.configOnly ?? false, Containers: null, Options: networkOptions(network), Labels: spec?.annotations?.labels ?? {},
  }
}

/** Body of POST /networks/create for a network of the swarm. */
export function networkSpecFromJson(json: NetworkCreateRequest): NetworkSpec {
  return make('NetworkSpec', {
    annotations: { name: json.Name ?? '', labels: json.Labels ?? {} },
    driver: { name: json.Driver || 'overlay', options: json.Options ?? {} },
    ipam: json.IPAM == null ? undefined : {
      driver: { name: json.IPAM.Driver ?? '', options: json.IPAM.Options ?? {} }, configs: (json.IPAM.Config ?? []).map(ipamConfigFromJson),
    },
    internal: json.Internal ?? false, attachable: json.Attachable ?? false, ingress: json.Ingress ?? false, ipv6Enabled: json.EnableIPv6 ?? false,
    configOnly: json.ConfigOnly ?? false, configFrom: json.ConfigFrom?.Network ?? '',
  })
}

/** What the user gave, what the driver decided, and the VXLAN id under Docker's name for it. */
export function networkOptions({ spec, state }: Network): Readonly<Record<string, string>> {
  const vni: Readonly<Record<string, string>> = state === undefined || state.vni === 0 ? {} : { [VNI_OPTION]: String(state.vni) }
  return { ...spec?.driver?.options, ...state?.options, ...vni }
}

export function ipamOfSpec({ spec }: Network): SwarmIpamOptions | undefined { return swarmIpam(spec?.ipam) }
export function ipamOfState({ spec, state }: Network): SwarmIpamOptions | undefined { return swarmIpam(state?.ipam ?? spec?.ipam) }

/** The engine's networks with the swarm's added; one that is both keeps what the host knows of it: containers and peers. */
export function mergeNetworks(local: readonly NetworkJson[], swarm: readonly Network[]): readonly NetworkJson[] {
  const byId = new Map(local.map(network => [network.Id, network]))
  const merged = swarm.map(network => mergeNetwork(byId.get(network.id), network))
  const swarmIds = new Set(swarm.map(({ id }) => id))
  return [...local.filter(({ Id }) => !swarmIds.has(Id ?? '')), ...merged]
}

export function mergeNetwork(local: NetworkJson | undefined, swarm: Network): NetworkJson {
  const json = networkToJson(swarm)
  return local === undefined ? json : { ...json, Containers: local.Containers ?? {}, Peers: local.Peers, ...('Services' in local ? { Services: local.Services } : {}) }
}

function ipamToJson(ipam: IpamOptions | undefined): IPAM {
  return {
    Driver: ipam?.driver?.name || 'default', Options: some(ipam?.driver?.options) ?? null,
    Config: (ipam?.configs ?? []).map((config): IPAMConfig => ({
      Subnet: some(config.subnet), IPRange: some(config.range), Gateway: some(config.gateway), AuxiliaryAddresses: some(config.reserved),
    })),
  }
}

function ipamConfigFromJson(json: IPAMConfig): Draft<IpamConfig> {
  return { subnet: json.Subnet ?? '', range: json.IPRange ?? '', gateway: json.Gateway ?? '', reserved: json.AuxiliaryAddresses ?? {} }
}

function swarmIpam(ipam: IpamOptions | undefined): SwarmIpamOptions | undefined {
  return ipam === undefined ? undefined : {
    Driver: driverToJson(ipam.driver) ?? {},
    Configs: some(ipam.configs.map(({ subnet, range, gateway }) => ({ Subnet: some(subnet), Range: some(range), Gateway: some(gateway) }))),
  }
}
