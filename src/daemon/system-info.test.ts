import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeKernel } from '../../agent/kernel/fake-kernel.ts'
import { completeInfo } from '../http/convert/system-info.ts'
import { SystemClock } from '../platform/clock/system-clock.ts'
import { parseDaemonConfig } from './daemon-config.ts'
import type { SystemBackendParts } from './system-backend.ts'
import { systemInfo } from './system-info.ts'

/** SystemInfo of API 1.50. */
const MEMBERS = `ID Containers ContainersRunning ContainersPaused ContainersStopped Images Driver DriverStatus DockerRootDir Plugins MemoryLimit SwapLimit KernelMemoryTCP CpuCfsPeriod CpuCfsQuota CPUShares CPUSet
  PidsLimit OomKillDisable IPv4Forwarding Debug NFd NGoroutines SystemTime LoggingDriver CgroupDriver CgroupVersion NEventsListener KernelVersion OperatingSystem OSVersion OSType Architecture NCPU MemTotal
  IndexServerAddress RegistryConfig GenericResources HttpProxy HttpsProxy NoProxy Name Labels ExperimentalBuild ServerVersion Runtimes DefaultRuntime Swarm LiveRestoreEnabled Isolation InitBinary ContainerdCommit
  RuncCommit InitCommit SecurityOptions DefaultAddressPools FirewallBackend Warnings CDISpecDirs`.split(/\s+/)

test('info has every member that clients know, with what was configured', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-info-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const config = parseDaemonConfig(['--data-root', folder, '-H', 'tcp://127.0.0.1:1', '--label', 'a=b', '--insecure-registry', '10.0.0.0/8', '--insecure-registry', 'reg:5000', '--registry-mirror', 'https://m', '--default-address-pool', 'base=10.1.0.0/16,size=24', '--node-generic-resource', 'gpu=2'])
  const parts = {
    config: () => config, clock: new SystemClock(), kernel: new FakeKernel(), backupFailure: () => '', engineId: 'id', runtime: 'crun', runtimes: ['crun', 'runc'], hasUserNamespaces: false, deviceFolders: ['/etc/cdi'], eventListeners: () => 3, volumeDrivers: () => ['local', 'other'], clusterJson: () => undefined,
    swarm: { state: undefined, localState: 'inactive', error: '', advertiseAddress: '' } as unknown as SystemBackendParts['swarm'],
    containers: { list: async () => [{ State: 'running' }, { State: 'paused' }, { State: 'exited' }, { State: 'restarting' }] as const }, images: { list: async () => [] },
  }
  const known = await systemInfo(parts as SystemBackendParts, { version: '1', commit: 'c' })
  const info = completeInfo(known, known.Swarm ?? {}, { major: 1, minor: 50 })
  assert.deepEqual(MEMBERS.filter(member => !(member in info)), [])
  assert.deepEqual([info.ContainersRunning, info.ContainersPaused, info.ContainersStopped, info.Labels, info.NEventsListener], [2, 1, 1, ['a=b'], 3])
  assert.deepEqual(info.DefaultAddressPools, [{ Base: '10.1.0.0/16', Size: 24 }])
  assert.deepEqual(info.GenericResources, [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }])
  assert.deepEqual([info.RegistryConfig?.Mirrors, Object.keys(info.RegistryConfig?.IndexConfigs ?? {}), info.RegistryConfig?.InsecureRegistryCIDRs?.[0]], [['https://m/'], ['docker.io', 'reg:5000'], '10.0.0.0/8'])
  assert.match(info.Warnings?.join('\n') ?? '', /API is accessible on http:\/\/127\.0\.0\.1:1 without encryption/)
})
