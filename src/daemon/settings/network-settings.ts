import { accepted, refused, working } from './setting.ts'
import { ANYTHING, badConfig, integerType, LIST, SWITCH, TEXT, type SettingType } from './setting-types.ts'

const POOLS: SettingType<readonly string[]> = {
  flagForm: 'words',
  fromFlag: words => words,
  fromJson: (value, name) => (Array.isArray(value) ? value as unknown[] : [value]).map(pool => {
    if (typeof pool === 'string') return pool
    const { base, size } = (pool ?? {}) as { base?: unknown; size?: unknown }
    if (typeof base !== 'string' || typeof size !== 'number') throw badConfig(`${name} takes objects {"base": "10.0.0.0/8", "size": 24}`)
    return `base=${base},size=${size}`
  }),
}

/** Bridges, addresses, names. */
export const NETWORK_SETTINGS = {
  bip: working({ flag: '--bip <cidr>', key: 'bip', type: TEXT, fallback: '', help: 'address of the default bridge; chosen when not given' }),
  /** "base=CIDR,size=N" */
  defaultAddressPools: working({ flag: '--default-address-pool <pool>', key: 'default-address-pools', type: POOLS, fallback: [], help: 'base=CIDR,size=N' }),
  dns: working({ flag: '--dns <ip>', key: 'dns', type: LIST, fallback: [], help: 'DNS server of containers' }),

  bip6: refused({ flag: '--bip6 <cidr>', key: 'bip6', type: TEXT, unless: '', why: 'not there yet' }),
  bridge: refused({ flag: '-b, --bridge <name>', key: 'bridge', type: TEXT, unless: '', why: 'not there yet' }),
  defaultGateway: refused({ flag: '--default-gateway <ip>', key: 'default-gateway', type: TEXT, unless: '', why: 'not there yet' }),
  defaultGatewayV6: refused({ flag: '--default-gateway-v6 <ip>', key: 'default-gateway-v6', type: TEXT, unless: '', why: 'not there yet' }),
  defaultNetworkOptions: refused({ flag: '--default-network-opt <driver=option=value>', key: 'default-network-opts', type: ANYTHING, why: 'not there yet' }),
  dnsOptions: refused({ flag: '--dns-opt <option>', key: 'dns-opts', type: LIST, unless: [], why: 'not there yet' }),
  dnsSearch: refused({ flag: '--dns-search <domain>', key: 'dns-search', type: LIST, unless: [], why: 'not there yet' }),
  fixedCidr: refused({ flag: '--fixed-cidr <cidr>', key: 'fixed-cidr', type: TEXT, unless: '', why: 'not there yet' }),
  fixedCidrV6: refused({ flag: '--fixed-cidr-v6 <cidr>', key: 'fixed-cidr-v6', type: TEXT, unless: '', why: 'not there yet' }),
  hostGatewayIp: refused({ flag: '--host-gateway-ip <ip>', key: 'host-gateway-ip', type: TEXT, unless: '', why: 'not there yet' }),
  hostGatewayIps: refused({ key: 'host-gateway-ips', type: LIST, unless: [], why: 'not there yet' }),
  icc: refused({ flag: '--icc', key: 'icc', type: SWITCH, unless: true, why: 'not there yet' }),
  ip: refused({ flag: '--ip <ip>', key: 'ip', type: TEXT, unless: '0.0.0.0', why: 'not there yet' }),
  ipForward: refused({ flag: '--ip-forward', key: 'ip-forward', type: SWITCH, unless: true, why: 'not there yet' }),
  ipForwardNoDrop: refused({ flag: '--ip-forward-no-drop', key: 'ip-forward-no-drop', type: SWITCH, unless: false, why: 'not there yet' }),
  ipMasq: refused({ flag: '--ip-masq', key: 'ip-masq', type: SWITCH, unless: true, why: 'not there yet' }),
  iptables: refused({ flag: '--iptables', key: 'iptables', type: SWITCH, unless: true, why: 'not there yet' }),
  ip6tables: refused({ flag: '--ip6tables', key: 'ip6tables', type: SWITCH, unless: true, why: 'not there yet' }),
  ipv6: refused({ flag: '--ipv6', key: 'ipv6', type: SWITCH, unless: false, why: 'not there yet' }),
  allowDirectRouting: refused({ flag: '--allow-direct-routing', key: 'allow-direct-routing', type: SWITCH, unless: false, why: 'not there yet' }),
  bridgeAcceptFwmark: refused({ flag: '--bridge-accept-fwmark <mark>', key: 'bridge-accept-fwmark', type: TEXT, unless: '', why: 'not there yet' }),
  firewallBackend: refused({ flag: '--firewall-backend <name>', key: 'firewall-backend', type: TEXT, unless: 'nftables', why: 'rules are written with nftables' }),
  mtu: refused({ flag: '--mtu <bytes>', key: 'mtu', type: integerType(0), unless: 1500, why: 'not there yet' }),
  networkControlPlaneMtu: accepted({ flag: '--network-control-plane-mtu <bytes>', key: 'network-control-plane-mtu', type: integerType(0), why: 'the control plane speaks TCP' }),
  userlandProxy: accepted({ flag: '--userland-proxy', key: 'userland-proxy', type: SWITCH, why: 'the kernel forwards published ports, those of 127.0.0.1 too' }),
  userlandProxyPath: accepted({ flag: '--userland-proxy-path <path>', key: 'userland-proxy-path', type: TEXT, why: 'the kernel forwards published ports, those of 127.0.0.1 too' }),
} as const
