import type { Draft } from '../../api/codec/codec.ts'
import type { HealthConfig as HealthJson } from '../../api/engine/engine-json.ts'
import type { ConfigReference as ConfigReferenceJson, ContainerSpec as ContainerSpecJson, FileTarget as FileJson, SecretReference as SecretReferenceJson } from '../../api/engine/swarm-json.ts'
import type { ConfigReference, ContainerSpec, FileTarget, HealthConfig, SecretReference } from '../../api/swarm/specs.ts'
import { some, wordOf } from './json-value.ts'
import { mountFromJson, mountToJson } from './mount.ts'
import { privilegesFromJson, privilegesToJson } from './privileges.ts'

/** The registry credentials stay behind: they are never shown (B13). */
export function containerSpecToJson(spec: ContainerSpec): ContainerSpecJson {
  return {
    Image: some(spec.image), Labels: some(spec.labels), Command: some(spec.command), Args: some(spec.args), Hostname: some(spec.hostname), Env: some(spec.env),
    Dir: some(spec.dir), User: some(spec.user), Groups: some(spec.groups), Privileges: privilegesToJson(spec.privileges), Init: spec.init,
    StopSignal: some(spec.stopSignal), TTY: some(spec.tty), OpenStdin: some(spec.openStdin), ReadOnly: some(spec.readOnly), Mounts: some(spec.mounts.map(mountToJson)),
    StopGracePeriod: spec.stopGracePeriodNs, Healthcheck: healthToJson(spec.healthcheck), Hosts: some(spec.hosts),
    DNSConfig: spec.dnsConfig === undefined ? undefined : {
      Nameservers: some(spec.dnsConfig.nameservers), Search: some(spec.dnsConfig.search), Options: some(spec.dnsConfig.options),
    },
    Secrets: some(spec.secrets.map(secretToJson)), Configs: some(spec.configs.map(configToJson)), Isolation: spec.isolation || 'default',
    Sysctls: some(spec.sysctls), CapabilityAdd: some(spec.capabilityAdd), CapabilityDrop: some(spec.capabilityDrop),
    Ulimits: some(spec.ulimits.map(({ name, soft, hard }) => ({ Name: some(name), Soft: some(soft), Hard: some(hard) }))), OomScoreAdj: some(spec.oomScoreAdj),
  }
}

/** @throws ShoalError `bad-parameter` or `invalid-json` for values Docker refuses too */
export function containerSpecFromJson(json: ContainerSpecJson): Draft<ContainerSpec> {
  const isolation = wordOf(json.Isolation, ['default', 'process', 'hyperv'], 'invalid isolation:')
  return {
    image: json.Image ?? '', labels: json.Labels ?? {}, command: json.Command ?? [], args: json.Args ?? [], hostname: json.Hostname ?? '', env: json.Env ?? [],
    dir: json.Dir ?? '', user: json.User ?? '', groups: json.Groups ?? [], tty: json.TTY ?? false, openStdin: json.OpenStdin ?? false, readOnly: json.ReadOnly ?? false,
    mounts: (json.Mounts ?? []).map(mountFromJson), stopSignal: json.StopSignal ?? '', stopGracePeriodNs: json.StopGracePeriod,
    healthcheck: healthFromJson(json.Healthcheck), hosts: json.Hosts ?? [],
    dnsConfig: json.DNSConfig == null ? undefined : { nameservers: json.DNSConfig.Nameservers ?? [], search: json.DNSConfig.Search ?? [], options: json.DNSConfig.Options ?? [] },
    secrets: (json.Secrets ?? []).map(secretFromJson), configs: (json.Configs ?? []).map(configFromJson), privileges: privilegesFromJson(json.Privileges),
    init: json.Init ?? undefined, sysctls: json.Sysctls ?? {}, capabilityAdd: json.CapabilityAdd ?? [], capabilityDrop: json.CapabilityDrop ?? [],
    ulimits: (json.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({ name: Name ?? '', soft: Soft ?? 0, hard: Hard ?? 0 })),
    isolation: isolation === 'default' ? '' : isolation ?? '', oomScoreAdj: json.OomScoreAdj ?? 0,
  }
}

function healthToJson(check: HealthConfig | undefined): HealthJson | undefined {
  return check === undefined ? undefined : {
    Test: some(check.test), Interval: some(check.intervalNs), Timeout: some(check.timeoutNs), Retries: some(check.retries),
    StartPeriod: some(check.startPeriodNs), StartInterval: some(check.startIntervalNs),
  }
}

function healthFromJson(json: HealthJson | null | undefined): Draft<HealthConfig> | undefined {
  return json == null ? undefined : {
    test: json.Test ?? [], intervalNs: json.Interval ?? 0, timeoutNs: json.Timeout ?? 0, retries: json.Retries ?? 0,
    startPeriodNs: json.StartPeriod ?? 0, startIntervalNs: json.StartInterval ?? 0,
  }
}

function fileToJson(file: FileTarget | undefined): FileJson | undefined {
  return file === undefined ? undefined : { Name: file.name, UID: file.uid, GID: file.gid, Mode: file.mode }
}

function fileFromJson(json: FileJson | null | undefined): Draft<FileTarget> | undefined {
  return json == null ? undefined : { name: json.Name ?? '', uid: json.UID ?? '', gid: json.GID ?? '', mode: json.Mode ?? 0 }
}

function secretToJson(reference: SecretReference): SecretReferenceJson {
  return { File: fileToJson(reference.file), SecretID: reference.secretId, SecretName: reference.secretName }
}

function secretFromJson(json: SecretReferenceJson): Draft<SecretReference> {
  return { secretId: json.SecretID ?? '', secretName: json.SecretName ?? '', file: fileFromJson(json.File) }
}

function configToJson(reference: ConfigReference): ConfigReferenceJson {
  return { File: fileToJson(reference.file), Runtime: reference.runtime ? {} : undefined, ConfigID: reference.configId, ConfigName: reference.configName }
}

function configFromJson(json: ConfigReferenceJson): Draft<ConfigReference> {
  return { configId: json.ConfigID ?? '', configName: json.ConfigName ?? '', file: fileFromJson(json.File), runtime: json.Runtime != null }
}
