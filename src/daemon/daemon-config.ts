import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { Command, CommanderError, Option } from 'commander'
import { ShoalError, messageOf } from '../base/errors.ts'

/** Everything the daemon can be told, complete. Names follow dockerd's daemon.json. */
export interface DaemonConfig {
  readonly dataRoot: string
  readonly execRoot: string
  readonly pidFile: string
  /** unix:///path or tcp://host:port */
  readonly hosts: readonly string[]
  /** Group that owns Unix sockets. */
  readonly group: string
  readonly cgroupParent: string
  readonly registryMirrors: readonly string[]
  readonly insecureRegistries: readonly string[]
  /** Engine labels, key=value. */
  readonly labels: readonly string[]
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  /** Address of docker0, CIDR; empty: chosen. */
  readonly bip: string
  /** "base=CIDR,size=N" */
  readonly defaultAddressPools: readonly string[]
  readonly dns: readonly string[]
  readonly nodeGenericResources: readonly string[]
  readonly tls: TlsConfig | undefined
  readonly runtime: string
  readonly cpuCount: number
}
export interface TlsConfig { readonly verify: boolean; readonly caFile: string; readonly certFile: string; readonly keyFile: string }

const LIST_OPTIONS: Readonly<Record<string, string>> = {
  'host': 'hosts', 'registry-mirror': 'registry-mirrors', 'insecure-registry': 'insecure-registries', 'label': 'labels', 'dns': 'dns',
  'default-address-pool': 'default-address-pools', 'node-generic-resource': 'node-generic-resources',
}
const DEFAULT_CONFIG_FILE = '/etc/shoal/daemon.json'

/**
 * Command line and configuration file to a whole configuration.
 * @throws ShoalError `bad-daemon-config` on unknown flags or keys, a key given in both places, or values of the wrong type
 */
export function parseDaemonConfig(argv: readonly string[]): DaemonConfig {
  const { given, configFile } = parseFlags(argv)
  const values = { ...readConfigFile(configFile, given), ...Object.fromEntries(given) }
  const text = (key: string, fallback: string): string => expectText(key, values[key] ?? fallback)
  const list = (key: string): readonly string[] => expectList(key, values[key] ?? [])
  const hosts = list('hosts')
  expectStorageDriver(text('storage-driver', 'overlay2'))
  return {
    dataRoot: text('data-root', '/var/lib/shoal'),
    execRoot: text('exec-root', '/run/shoal'),
    pidFile: text('pidfile', '/run/shoal.pid'),
    hosts: hosts.length > 0 ? hosts.map(normalizeHost) : ['unix:///run/shoal.sock'],
    group: text('group', 'docker'),
    cgroupParent: text('cgroup-parent', '/shoal'),
    registryMirrors: list('registry-mirrors'),
    insecureRegistries: list('insecure-registries'),
    labels: list('labels').map(expectLabel),
    logLevel: values['debug'] === true ? 'debug' : expectLevel(text('log-level', 'info')),
    bip: text('bip', ''),
    defaultAddressPools: poolTexts(values['default-address-pools'] ?? []),
    dns: list('dns'),
    nodeGenericResources: list('node-generic-resources'),
    tls: tlsOf(values, text),
    runtime: expectRuntime(text('default-runtime', '')),
    cpuCount: cpus().length,
  }
}

function parseFlags(argv: readonly string[]): { given: ReadonlyMap<string, unknown>; configFile: string } {
  const command = new Command('shoal daemon').exitOverride().configureOutput({ writeErr: () => {} })
    .description('Runs the engine and this host\'s part of the cluster')
  const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value]
  const options: readonly (readonly [flags: string, description: string])[] = [
    ['--config-file <file>', `configuration file (default ${DEFAULT_CONFIG_FILE})`], ['--data-root <dir>', 'root directory of persistent state'],
    ['--exec-root <dir>', 'root directory of execution state'], ['-p, --pidfile <file>', 'path of the PID file'], ['-G, --group <group>', 'group of the Unix socket'],
    ['--cgroup-parent <path>', 'parent cgroup of all containers'], ['-l, --log-level <level>', 'debug, info, warn, error or fatal'], ['--bip <cidr>', 'address of the default bridge'],
    ['--default-runtime <name>', 'crun or runc; chosen by itself when not given'], ['--storage-driver <name>', 'overlay2'],
    ['--tlscacert <file>', 'trust only clients with certificates of this CA'], ['--tlscert <file>', 'TLS certificate'], ['--tlskey <file>', 'TLS key'],
  ]
  for (const [flags, description] of options) command.addOption(new Option(flags, description))
  const lists: readonly (readonly [flags: string, description: string])[] = [
    ['-H, --host <address>', 'socket to listen on'], ['--registry-mirror <url>', 'registry mirror'], ['--insecure-registry <name>', 'registry without TLS'],
    ['--label <key=value>', 'label of this engine'], ['--dns <ip>', 'DNS server of containers'], ['--default-address-pool <pool>', 'base=CIDR,size=N'],
    ['--node-generic-resource <kind=value>', 'generic resource that tasks can reserve'],
  ]
  for (const [flags, description] of lists) command.addOption(new Option(flags, description).argParser(collect))
  for (const [flags, description] of [['-D, --debug', 'debug logging'], ['--live-restore', 'accepted: containers always outlive the daemon'], ['--tls', 'use TLS'], ['--tlsverify', 'use TLS and verify clients']] as const) command.addOption(new Option(flags, description))
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) throw error
    throw badConfig(`${messageOf(error).replace(/^error: /, '')}; see shoal daemon --help`)
  }
  const given = new Map<string, unknown>()
  for (const option of command.options) {
    const value = command.getOptionValue(option.attributeName()) as unknown
    const name = option.long?.slice(2) ?? ''
    if (value !== undefined && name !== 'config-file') given.set(LIST_OPTIONS[name] ?? name, value)
  }
  return { given, configFile: (command.getOptionValue('configFile') as string | undefined) ?? '' }
}

const FILE_KEYS = new Set([
  'data-root', 'exec-root', 'pidfile', 'hosts', 'group', 'cgroup-parent', 'registry-mirrors', 'insecure-registries', 'labels', 'debug', 'log-level', 'bip', 'default-address-pools',
  'dns', 'node-generic-resources', 'default-runtime', 'storage-driver', 'live-restore', 'tls', 'tlsverify', 'tlscacert', 'tlscert', 'tlskey',
])

function readConfigFile(path: string, given: ReadonlyMap<string, unknown>): Readonly<Record<string, unknown>> {
  if (path === '' && !existsSync(DEFAULT_CONFIG_FILE)) return {}
  const file = path === '' ? DEFAULT_CONFIG_FILE : path
  let values: unknown
  try {
    values = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw badConfig(`unable to configure the daemon with file ${file}: ${messageOf(cause)}`)
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) throw badConfig(`unable to configure the daemon with file ${file}: it must hold a JSON object`)
  const unknown = Object.keys(values).filter(key => !FILE_KEYS.has(key))
  if (unknown.length > 0) throw badConfig(`unable to configure the daemon with file ${file}: the following directives don't match any configuration option: ${unknown.join(', ')}`)
  const twice = Object.keys(values).filter(key => given.has(key))
  if (twice.length > 0) throw badConfig(`unable to configure the daemon with file ${file}: the following directives are specified both as a flag and in the configuration file: ${twice.join(', ')}`)
  return values as Record<string, unknown>
}

function normalizeHost(host: string): string {
  if (/^unix:\/\/\/./.test(host) || /^tcp:\/\/[^/]*:\d+$/.test(host)) return host
  if (/^tcp:\/\/[^/:]+$/.test(host)) return `${host}:2375`
  throw badConfig(`cannot listen on ${host}: give unix:///path or tcp://address:port`)
}

function tlsOf(values: Readonly<Record<string, unknown>>, text: (key: string, fallback: string) => string): TlsConfig | undefined {
  if (values['tls'] !== true && values['tlsverify'] !== true) return undefined
  const config = { verify: values['tlsverify'] === true, caFile: text('tlscacert', ''), certFile: text('tlscert', ''), keyFile: text('tlskey', '') }
  if (config.certFile === '' || config.keyFile === '') throw badConfig('TLS needs --tlscert and --tlskey')
  if (config.verify && config.caFile === '') throw badConfig('--tlsverify needs --tlscacert')
  return config
}

function poolTexts(value: unknown): readonly string[] {
  const pools = Array.isArray(value) ? value as unknown[] : [value]
  return pools.map(pool => {
    if (typeof pool === 'string') return pool
    const { base, size } = (pool ?? {}) as { base?: unknown; size?: unknown }
    if (typeof base !== 'string' || typeof size !== 'number') throw badConfig('default-address-pools takes objects {"base": "10.0.0.0/8", "size": 24}')
    return `base=${base},size=${size}`
  })
}

function expectText(key: string, value: unknown): string {
  if (typeof value !== 'string') throw badConfig(`${key} must be a string`)
  return value
}
function expectList(key: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.some(item => typeof item !== 'string')) throw badConfig(`${key} must be a list of strings`)
  return value as string[]
}
function expectLabel(label: string): string {
  if (!/^[^=\s]+=/.test(label)) throw badConfig(`bad attribute format: ${label}; a label is key=value`)
  return label
}
function expectLevel(level: string): DaemonConfig['logLevel'] {
  const known = ['debug', 'info', 'warn', 'error', 'fatal'] as const
  const found = known.find(name => name === level)
  if (found === undefined) throw badConfig(`invalid logging level: ${level}; one of ${known.join(', ')}`)
  return found
}
function expectRuntime(runtime: string): string {
  if (runtime !== '' && runtime !== 'crun' && runtime !== 'runc') throw badConfig(`unknown runtime ${runtime}: crun or runc`)
  return runtime
}
function expectStorageDriver(driver: string): void {
  if (driver !== 'overlay2' && driver !== 'overlay') throw badConfig(`unknown storage driver ${driver}: overlay2 is the one there is`)
}
function badConfig(message: string): ShoalError {
  return new ShoalError('invalid-argument', 'bad-daemon-config', message)
}
