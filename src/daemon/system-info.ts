import { hostname, release } from 'node:os'
import type { ContainerSummary, SystemInfo } from '../api/engine/engine-json.ts'
import type { DaemonConfig } from './daemon-config.ts'
import { backingFilesystem, kernelLimits, limitWarnings, machineName, openFiles, operatingSystem } from './machine-facts.ts'
import { wholeSwarmInfo } from './swarm-info.ts'
import { maskedProxy, proxiesOf } from './proxies.ts'
import type { RuntimeVersion, SystemBackendParts } from './system-backend.ts'
import { VERSION } from './version.ts'

const LOOPBACK = ['::1/128', '127.0.0.0/8']

/** GET /info, all that this host can tell. */
export async function systemInfo(parts: SystemBackendParts, runtimeVersion: RuntimeVersion): Promise<SystemInfo> {
  const { clock, swarm, kernel } = parts
  const config = parts.config()
  const [containers, images, swarmPart] = await Promise.all([parts.containers.list({ all: true }), parts.images.list({ all: true }), wholeSwarmInfo(swarm, parts.clusterJson)])
  const limits = kernelLimits(kernel)
  const runtimeCommit = runtimeVersion.commit
  return {
    ID: parts.engineId, Name: hostname(), ServerVersion: VERSION, SystemTime: new Date(clock.nowMs()).toISOString(), ...containerCounts(containers), Images: images.length,
    Driver: 'overlay2', DriverStatus: [['Backing Filesystem', backingFilesystem(config.dataRoot)], ['Supports d_type', 'true'], ['Using metacopy', 'false'], ['Native Overlay Diff', 'true'], ['userxattr', 'false']],
    DockerRootDir: config.dataRoot, ...limits, Debug: config.debug, NFd: openFiles(), NGoroutines: process.getActiveResourcesInfo().length, NEventsListener: parts.eventListeners(),
    CgroupDriver: 'cgroupfs', CgroupVersion: kernel.cgroups.version === 2 ? '2' : '1', KernelVersion: release(), OperatingSystem: operatingSystem('PRETTY_NAME'), OSVersion: operatingSystem('VERSION_ID'),
    Architecture: machineName(), NCPU: kernel.host.cpuCount, MemTotal: kernel.host.memoryBytes, Labels: [...config.labels], ExperimentalBuild: config.experimental, LoggingDriver: config.logDriver,
    Plugins: { Volume: parts.volumeDrivers() },
    Runtimes: Object.fromEntries(parts.runtimes.map(name => [name, { path: name }])), CDISpecDirs: parts.deviceFolders, DefaultRuntime: parts.runtimes.includes(config.runtime) ? config.runtime : parts.runtime, InitBinary: 'shoal-monitor', RuncCommit: { ID: runtimeCommit }, InitCommit: { ID: VERSION },
    SecurityOptions: [...(kernel.host.hasSeccomp ? ['name=seccomp,profile=builtin'] : []), ...(parts.hasUserNamespaces ? ['name=userns'] : []), ...(kernel.cgroups.version === 2 ? ['name=cgroupns'] : [])],
    DefaultAddressPools: config.defaultAddressPools.map(addressPool), GenericResources: nullIfEmpty(config.nodeGenericResources.map(genericResource)), RegistryConfig: registryConfig(config),
    ...proxyInfo(config), FirewallBackend: { Driver: 'nftables' },
    Warnings: nullIfEmpty([...openApiWarnings(config), ...limitWarnings(limits, kernel.cgroups.version), ...swarmPart.warnings, ...backupWarnings(parts.backupFailure(), config.swarmBackupFolder)]), Swarm: swarmPart.info,
  }
}

function backupWarnings(failure: string, folder: string): readonly string[] {
  return failure === '' ? [] : [`WARNING: The cluster is not saved to ${folder} (swarm-backup-dir) at its times: ${failure}. It is tried again by itself.`]
}

/** As Go shows a list that nothing was put into. */
function nullIfEmpty<T>(list: readonly T[]): readonly T[] | null { return list.length === 0 ? null : list }

function containerCounts(containers: readonly ContainerSummary[]): Pick<SystemInfo, 'Containers' | 'ContainersRunning' | 'ContainersPaused' | 'ContainersStopped'> {
  const count = (...states: readonly string[]): number => containers.filter(({ State }) => states.includes(State ?? '')).length
  const [running, paused] = [count('running', 'restarting'), count('paused')]
  return { Containers: containers.length, ContainersRunning: running, ContainersPaused: paused, ContainersStopped: containers.length - running - paused }
}

function proxyInfo(config: DaemonConfig): Pick<SystemInfo, 'HttpProxy' | 'HttpsProxy' | 'NoProxy'> {
  const { http, https, none } = proxiesOf(config, process.env)
  return { HttpProxy: maskedProxy(http), HttpsProxy: maskedProxy(https), NoProxy: none ?? '' }
}

function openApiWarnings({ hosts, tls }: DaemonConfig): readonly string[] {
  const risk = '\n         Access to the remote API is equivalent to root access on the host. Refer\n         to the \'Docker daemon attack surface\' section in the documentation for\n         more information: https://docs.docker.com/go/attack-surface/'
  return hosts.filter(host => host.startsWith('tcp://')).flatMap(host => {
    if (tls === undefined) return [`WARNING: API is accessible on http://${host.slice('tcp://'.length)} without encryption.${risk}`]
    return tls.verify ? [] : [`WARNING: API is accessible on https://${host.slice('tcp://'.length)} without TLS client verification.${risk}`]
  })
}

function registryConfig({ insecureRegistries, registryMirrors }: DaemonConfig): SystemInfo['RegistryConfig'] {
  const mirrors = registryMirrors.map(mirror => (mirror.endsWith('/') ? mirror : `${mirror}/`))
  const isRange = (name: string): boolean => /^[0-9a-f.:]+\/\d+$/i.test(name)
  const hosts = insecureRegistries.filter(name => !isRange(name)).map(name => name.replace(/^https?:\/\//, ''))
  return {
    InsecureRegistryCIDRs: [...insecureRegistries.filter(isRange), ...LOOPBACK], Mirrors: mirrors,
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: mirrors, Secure: true, Official: true },
      ...Object.fromEntries(hosts.map(name => [name, { Name: name, Mirrors: [], Secure: false, Official: false }])),
    },
  }
}

/** "base=10.0.0.0/8,size=24" */
function addressPool(text: string): { readonly Base: string; readonly Size: number } {
  const values = Object.fromEntries(text.split(',').map(part => part.split('=') as [string, string]))
  return { Base: values['base'] ?? '', Size: Number(values['size']) }
}

type GenericResource = NonNullable<SystemInfo['GenericResources']>[number]

/** kind=3 counts, kind=name is one of its kind. */
function genericResource(text: string): GenericResource {
  const at = text.indexOf('=')
  const [Kind, value] = [text.slice(0, at), text.slice(at + 1)]
  return /^\d+$/.test(value) ? { DiscreteResourceSpec: { Kind, Value: Number(value) } } : { NamedResourceSpec: { Kind, Value: value } }
}
