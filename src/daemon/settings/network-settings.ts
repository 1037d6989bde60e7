import { accepted, refused, working } from './setting.ts'
import { badConfig, integerType, LIST, MAP, SWITCH, TEXT, type SettingType } from './setting-types.ts'

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

/** {"bridge": {"option": "value"}}, as a flag "bridge=option=value". */
const DRIVER_OPTIONS: SettingType<Readonly<Record<string, Readonly<Record<string, string>>>>> = {
  flagForm: 'words',
  fromFlag: (words, name) => words.reduce<Record<string, Record<string, string>>>((all, word) => {
    const [, driver = '', option = '', value = ''] = /^([^=]+)=([^=]+)=(.*)$/.exec(word) ?? []
    if (driver === '') throw badConfig(`invalid argument "${word}" for "--${name}" flag: give driver=option=value`)
    return { ...all, [driver]: { ...all[driver], [option]: value } }
  }, {}),
  fromJson: (value, name) => Object.fromEntries(Object.entries(value as Record<string, unknown>).map(([driver, options]) => [driver, MAP.fromJson(options, `${name}.${driver}`)])),
}

/** Bridges, addresses, names. */
export const NETWORK_SETTINGS = {
  bip: working({ flag: '--bip <cidr>', key: 'bip', type: TEXT, fallback: '', help: 'address of the default bridge; chosen when not given' }),
  /** "base=CIDR,size=N" */
  defaultAddressPools: working({ flag: '--default-address-pool <pool>', key: 'default-address-pools', type: POOLS, fallback: [], help: 'base=CIDR,size=N' }),
  dns: working({ flag: '--dns <ip>', key: 'dns', type: LIST, fallback: [], help: 'DNS server of containers' }),

  bip6: working({ flag: '--bip6 <cidr>', key: 'bip6', type: TEXT, fallback: '', help: 'IPv6 address of the default bridge' }),
  bridge: working({ flag: '-b, --bridge <name>', key: 'bridge', type: TEXT, fallback: '', help: 'a bridge of your own to use as the default one, or none' }),
  defaultGateway: working({ flag: '--default-gateway <ip>', key: 'default-gateway', type: TEXT, fallback: '', help: 'default gateway of containers on the default bridge' }),
  defaultGatewayV6: working({ flag: '--default-gateway-v6 <ip>', key: 'default-gateway-v6', type: TEXT, fallback: '', help: 'their IPv6 default gateway' }),
  defaultNetworkOptions: working({ flag: '--default-network-opt <driver=option=value>', key: 'default-network-opts', type: DRIVER_OPTIONS, fallback: {}, help: 'option that new networks of a driver begin with' }),
  dnsOptions: working({ flag: '--dns-opt <option>', key: 'dns-opts', type: LIST, fallback: [], help: 'resolver option of containers' }),
  dnsSearch: working({ flag: '--dns-search <domain>', key: 'dns-search', type: LIST, fallback: [], help: 'search domain of containers' }),
  fixedCidr: working({ flag: '--fixed-cidr <cidr>', key: 'fixed-cidr', type: TEXT, fallback: '', help: 'where the default bridge takes containers\' addresses from' }),
  fixedCidrV6: working({ flag: '--fixed-cidr-v6 <cidr>', key: 'fixed-cidr-v6', type: TEXT, fallback: '', help: 'the same of IPv6' }),
  hostGatewayIp: working({ flag: '--host-gateway-ip <ip>', key: 'host-gateway-ip', type: TEXT, fallback: '', help: 'what host-gateway stands for; the default bridge\'s address when not given' }),
  hostGatewayIps: working({ key: 'host-gateway-ips', type: LIST, fallback: [], help: 'the same for both families' }),
  icc: working({ flag: '--icc', key: 'icc', type: SWITCH, fallback: true, help: 'containers on the default bridge reach each other' }),
  ip: working({ flag: '--ip <ip>', key: 'ip', type: TEXT, fallback: '0.0.0.0', help: 'host address of published ports that name none, on the default bridge' }),
  ipForward: working({ flag: '--ip-forward', key: 'ip-forward', type: SWITCH, fallback: true, help: 'let the host forward packets' }),
  ipForwardNoDrop: accepted({ flag: '--ip-forward-no-drop', key: 'ip-forward-no-drop', type: SWITCH, why: 'the host\'s own forwarding policy is never touched' }),
  ipMasq: working({ flag: '--ip-masq', key: 'ip-masq', type: SWITCH, fallback: true, help: 'hide containers of the default bridge behind the host\'s address' }),
  iptables: working({ flag: '--iptables', key: 'iptables', type: SWITCH, fallback: true, help: 'write IPv4 rules (with nftables)' }),
  ip6tables: working({ flag: '--ip6tables', key: 'ip6tables', type: SWITCH, fallback: true, help: 'write IPv6 rules (with nftables)' }),
  ipv6: working({ flag: '--ipv6', key: 'ipv6', type: SWITCH, fallback: false, help: 'IPv6 on the default bridge' }),
  allowDirectRouting: refused({ flag: '--allow-direct-routing', key: 'allow-direct-routing', type: SWITCH, unless: false, why: 'choose it for a network, with the option com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected or trusted_host_interfaces' }),
  bridgeAcceptFwmark: refused({ flag: '--bridge-accept-fwmark <mark>', key: 'bridge-accept-fwmark', type: TEXT, unless: '', why: 'rules of your own decide by marks before ours do' }),
  firewallBackend: refused({ flag: '--firewall-backend <name>', key: 'firewall-backend', type: TEXT, unless: 'nftables', why: 'rules are written with nftables' }),
  mtu: working({ flag: '--mtu <bytes>', key: 'mtu', type: integerType(0), fallback: 1500, help: 'MTU of bridges that say nothing else' }),
  networkControlPlaneMtu: accepted({ flag: '--network-control-plane-mtu <bytes>', key: 'network-control-plane-mtu', type: integerType(0), why: 'the control plane speaks TCP' }),
  userlandProxy: working({ flag: '--userland-proxy', key: 'userland-proxy', type: SWITCH, fallback: true, help: 'pass on what the kernel cannot direct: published ports from ::1, and from IPv6 to containers without it' }),
  userlandProxyPath: accepted({ flag: '--userland-proxy-path <path>', key: 'userland-proxy-path', type: TEXT, why: 'the kernel forwards published ports, those of 127.0.0.1 too' }),
} as const
