import { homedir } from 'node:os'
import { join } from 'node:path'
import { accepted, refused, working } from './setting.ts'
import { ANYTHING, badConfig, choiceType, integerType, LIST, listType, MAP, SWITCH, TEXT, type SettingType } from './setting-types.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const
/** Where dockerd and the docker CLI look. */
const CERTIFICATES = join(homedir(), '.docker')
const DEFAULT_HOST = 'unix:///run/shoal.sock'
const NAMED_LABEL = /^[^=\s]+=/
/** dockerd's: seconds that the daemon may take to end. */
const SHUTDOWN_SECONDS = 15

const LABELS: SettingType<readonly string[]> = listType(label => {
  if (!NAMED_LABEL.test(label)) throw badConfig(`bad attribute format: ${label}; a label is key=value`)
  return label
})
const HOSTS: SettingType<readonly string[]> = listType(normalizeHost)
const EXEC_OPTIONS: SettingType<readonly string[]> = listType(option => {
  if (option === 'native.cgroupdriver=cgroupfs') return option
  if (option.startsWith('native.cgroupdriver=')) throw badConfig(`exec-opts: ${option} is refused: containers get their cgroups from the file system (native.cgroupdriver=cgroupfs), below --cgroup-parent`)
  throw badConfig(`exec-opts: unknown option: '${option.split('=')[0] ?? ''}'`)
})

/** The daemon itself: where it keeps things, listens and logs, and how it ends. */
export const SERVICE_SETTINGS = {
  dataRoot: working({ flag: '--data-root <dir>', key: 'data-root', type: TEXT, fallback: '/var/lib/shoal', help: 'root directory of persistent state' }),
  execRoot: working({ flag: '--exec-root <dir>', key: 'exec-root', type: TEXT, fallback: '/run/shoal', help: 'root directory of execution state' }),
  pidFile: working({ flag: '-p, --pidfile <file>', key: 'pidfile', type: TEXT, fallback: '/run/shoal.pid', help: 'path of the PID file' }),
  hosts: working({ flag: '-H, --host <address>', key: 'hosts', type: HOSTS, fallback: [DEFAULT_HOST], help: 'socket to listen on: unix:///path, tcp://address:port, or fd:// for those that systemd opened' }),
  group: working({ flag: '-G, --group <group>', key: 'group', type: TEXT, fallback: 'docker', help: 'group of the Unix socket' }),
  debug: working({ flag: '-D, --debug', key: 'debug', type: SWITCH, fallback: false, reloadable: true, help: 'debug logging' }),
  level: working({ flag: '-l, --log-level <level>', key: 'log-level', type: choiceType(LOG_LEVELS, level => `invalid logging level: ${level}; one of ${LOG_LEVELS.join(', ')}`), fallback: 'info', reloadable: true, help: LOG_LEVELS.join(', ') }),
  labels: working({ flag: '--label <key=value>', key: 'labels', type: LABELS, fallback: [], reloadable: true, help: 'label of this engine' }),
  shutdownTimeoutSeconds: working({ flag: '--shutdown-timeout <seconds>', key: 'shutdown-timeout', type: integerType(-1), fallback: SHUTDOWN_SECONDS, reloadable: true, help: 'how long the daemon may take to end; -1: as long as it needs' }),
  nodeGenericResources: working({ flag: '--node-generic-resource <kind=value>', key: 'node-generic-resources', type: LIST, fallback: [], help: 'generic resource that tasks can reserve' }),
  tlsEnabled: working({ flag: '--tls', key: 'tls', type: SWITCH, fallback: false, help: 'use TLS; implied by --tlsverify' }),
  tlsVerify: working({ flag: '--tlsverify', key: 'tlsverify', type: SWITCH, fallback: false, help: 'use TLS and verify clients' }),
  tlsCaFile: working({ flag: '--tlscacert <file>', key: 'tlscacert', type: TEXT, fallback: join(CERTIFICATES, 'ca.pem'), help: 'trust only clients with certificates of this CA' }),
  tlsCertFile: working({ flag: '--tlscert <file>', key: 'tlscert', type: TEXT, fallback: join(CERTIFICATES, 'cert.pem'), help: 'TLS certificate' }),
  tlsKeyFile: working({ flag: '--tlskey <file>', key: 'tlskey', type: TEXT, fallback: join(CERTIFICATES, 'key.pem'), help: 'TLS key' }),

  liveRestore: accepted({ flag: '--live-restore', key: 'live-restore', type: SWITCH, why: 'containers always outlive the daemon' }),
  logFormat: refused({ flag: '--log-format <format>', key: 'log-format', type: TEXT, unless: 'json', why: 'the daemon logs JSON lines; pipe them through a formatter' }),
  rawLogs: accepted({ flag: '--raw-logs', key: 'raw-logs', type: SWITCH, why: 'the daemon\'s log has full timestamps and no colours' }),
  execOptions: accepted({ flag: '--exec-opt <option>', key: 'exec-opts', type: EXEC_OPTIONS, why: 'native.cgroupdriver=cgroupfs is what is done' }),
  features: accepted({ flag: '--feature <name=bool>', key: 'features', type: MAP, why: 'features choose among implementations that are dockerd\'s own' }),
  builder: accepted({ key: 'builder', type: ANYTHING, why: 'it tunes BuildKit, which is not here' }),
  containerd: accepted({ flag: '--containerd <address>', key: 'containerd', type: TEXT, why: 'there is no containerd below' }),
  containerdNamespace: accepted({ flag: '--containerd-namespace <name>', key: 'containerd-namespace', type: TEXT, why: 'there is no containerd below' }),
  containerdPluginsNamespace: accepted({ flag: '--containerd-plugins-namespace <name>', key: 'containerd-plugin-namespace', type: TEXT, why: 'there is no containerd below' }),
  criContainerd: refused({ flag: '--cri-containerd', key: 'cri-containerd', type: SWITCH, unless: false, why: 'there is no containerd to serve Kubernetes with' }),
  rootless: refused({ flag: '--rootless', key: 'rootless', type: SWITCH, unless: false, why: 'the daemon needs root' }),
  experimental: working({ flag: '--experimental', key: 'experimental', type: SWITCH, fallback: false, help: 'say so in info; nothing else depends on it' }),
  metricsAddress: working({ flag: '--metrics-addr <address>', key: 'metrics-addr', type: TEXT, fallback: '', help: 'host:port where Prometheus reads metrics' }),
  corsHeader: working({ flag: '--api-cors-header <origins>', key: 'api-cors-header', type: TEXT, fallback: '', help: 'Access-Control-Allow-Origin of every answer' }),
  authorizationPlugins: refused({ flag: '--authorization-plugin <name>', key: 'authorization-plugins', type: LIST, unless: [], why: 'authorization plugins are left out; use TLS client certificates, or a proxy that decides' }),
  oomScoreAdjust: working({ flag: '--oom-score-adjust <score>', key: 'oom-score-adjust', type: integerType(-1000), fallback: 0, help: 'oom_score_adj of the daemon; 0: as it was started' }),
  swarmAdvertiseAddress: refused({ flag: '--swarm-default-advertise-addr <address>', key: 'swarm-default-advertise-addr', type: TEXT, unless: '', why: 'give --advertise-addr to swarm init and swarm join' }),
  networkDiagnosticPort: refused({ key: 'network-diagnostic-port', type: integerType(0), unless: 0, why: 'there is no gossip between hosts to diagnose' }),
  clusterStore: refused({ key: 'cluster-store', type: TEXT, unless: '', why: 'networks across hosts are those of a swarm' }),
  clusterStoreOptions: refused({ key: 'cluster-store-opts', type: MAP, unless: {}, why: 'networks across hosts are those of a swarm' }),
  clusterAdvertise: refused({ key: 'cluster-advertise', type: TEXT, unless: '', why: 'networks across hosts are those of a swarm' }),
  graph: refused({ key: 'graph', type: TEXT, why: 'it is called data-root now' }),
} as const

/** What dockerd takes, but for the port, which depends on TLS. */
function normalizeHost(host: string): string {
  if (host === '' || host === 'unix://') return DEFAULT_HOST
  if (/^(unix:\/\/\/.|fd:\/\/)/.test(host)) return host
  const address = host.includes('://') ? host : `tcp://${host}`
  if (/^tcp:\/\/(\[[0-9a-f:.]+\]|[^/:[\]]*)(:\d+)?$/i.test(address)) return address
  throw badConfig(`invalid bind address (${host}): give unix:///path, tcp://address:port or fd://`)
}
