import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeHostConfig, validateCreate } from './container-create.ts'
import { FIELD_TABLE, type FieldFate } from './field-table.ts'
import type { HostFacts } from './host-facts.ts'

/** The property names of the public description of API 1.50 (swagger), schema by schema. */
const SWAGGER: Readonly<Record<string, string>> = {
  ContainerConfig: `Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd Healthcheck ArgsEscaped Image Volumes WorkingDir Entrypoint
    NetworkDisabled MacAddress OnBuild Labels StopSignal StopTimeout Shell`,
  Resources: `CpuShares Memory CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod
    CpuRealtimeRuntime CpusetCpus CpusetMems Devices DeviceCgroupRules DeviceRequests KernelMemoryTCP MemoryReservation MemorySwap MemorySwappiness NanoCpus OomKillDisable Init PidsLimit Ulimits
    CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth`,
  HostConfig: `Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver VolumesFrom Mounts ConsoleSize Annotations CapAdd CapDrop CgroupnsMode Dns DnsOptions
    DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt StorageOpt Tmpfs UTSMode UsernsMode ShmSize Sysctls Runtime Isolation
    MaskedPaths ReadonlyPaths`,
  Mount: 'Target Source Type ReadOnly Consistency BindOptions VolumeOptions ImageOptions TmpfsOptions',
  NetworkingConfig: 'EndpointsConfig',
  EndpointSettings: `IPAMConfig Links MacAddress Aliases DriverOpts GwPriority NetworkID EndpointID Gateway IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen DNSNames`,
}
const FACTS: HostFacts = { cpuCount: 2, memoryBytes: 2 ** 33, cgroupVersion: 1, capabilities: new Set(['CAP_CHOWN']), hasBlockWeight: true, hasSwapLimit: true, hasRealtime: true, cpus: '0-1', memoryNodes: '0', runtimes: ['crun'], hasUserNamespaces: false }
/** A value of each refused field that says something. */
const REFUSED: Readonly<Record<string, unknown>> = { IOMaximumIOps: 5, IOMaximumBandwidth: 5, Cgroup: 'container:x', StorageOpt: { size: '1G' }, UsernsMode: 'remap', Isolation: 'hyperv' }

test('every field of the API has its fate', () => {
  for (const [schema, names] of Object.entries(SWAGGER)) assert.deepEqual(Object.keys(FIELD_TABLE[schema] ?? {}).sort(), names.split(/\s+/).sort(), schema)
  assert.deepEqual(Object.keys(FIELD_TABLE).sort(), Object.keys(SWAGGER).sort())
})

const hostFields: readonly (readonly [string, FieldFate])[] = [...Object.entries(FIELD_TABLE['HostConfig'] ?? {}), ...Object.entries(FIELD_TABLE['Resources'] ?? {})]
for (const [name, fate] of hostFields) {
  if (fate.kind !== 'refused') continue
  test(`${name} is refused by the code that the table names`, () => {
    const host = completeHostConfig({ [name]: REFUSED[name] }, FACTS)
    assert.throws(() => validateCreate({ Cmd: ['x'] }, host, FACTS), { code: fate.code, kind: 'invalid-argument' })
  })
}
