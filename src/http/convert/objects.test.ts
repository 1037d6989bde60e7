import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../../api/codec/codec.ts'
import { defaultClusterSpec } from '../../api/swarm/default-cluster-spec.ts'
import { clusterInfoToJson, mergeClusterSpec, swarmToJson } from './cluster.ts'
import { mergeNetworks, networkSpecFromJson, networkToJson } from './network.ts'
import { nodeSpecFromJson, nodeToJson } from './node.ts'
import { configSpecFromJson, configToJson, secretSpecFromJson, secretToJson } from './secret.ts'
import { serviceToJson } from './service.ts'
import { taskToJson } from './task.ts'

const plain = (value: unknown): any => JSON.parse(JSON.stringify(value))
const meta = { version: 7, createdAtMs: 1_767_225_600_123, updatedAtMs: 1_767_225_600_123 }
const metaJson = { Version: { Index: 7 }, CreatedAt: '2026-01-01T00:00:00.123Z', UpdatedAt: '2026-01-01T00:00:00.123Z' }

const network = make('Network', {
  id: 'net1', meta, spec: { annotations: { name: 'ov', labels: { a: 'b' } }, driver: { name: 'overlay', options: { encrypted: '' } }, attachable: true },
  state: { driver: 'overlay', vni: 4097, ipam: { driver: { name: 'default' }, configs: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1' }] } },
})

test('a task carries its networks in full, for clients that route by them', () => {
  const task = make('Task', {
    id: 't1', meta, serviceId: 's1', slot: 2, nodeId: 'n1', desiredState: 'running', spec: { container: { image: 'busybox' } },
    status: { state: 'running', timestampMs: meta.createdAtMs, message: 'started', container: { containerId: 'c1', pid: 9 }, hostPorts: [{ protocol: 'tcp', targetPort: 80, publishedPort: 32768, publishMode: 'host' }] },
    networks: [{ networkId: 'net1', addresses: ['10.0.1.5/24'] }],
  })
  assert.deepEqual(plain(taskToJson(task, new Map([['net1', network]]))), {
    ID: 't1', ...metaJson, Labels: {}, ServiceID: 's1', Slot: 2, NodeID: 'n1', DesiredState: 'running',
    Spec: { ContainerSpec: { Image: 'busybox', Isolation: 'default' }, ForceUpdate: 0, Runtime: 'container' },
    Status: {
      Timestamp: '2026-01-01T00:00:00.123Z', State: 'running', Message: 'started', ContainerStatus: { ContainerID: 'c1', PID: 9, ExitCode: 0 },
      PortStatus: { Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 32768, PublishMode: 'host' }] },
    },
    NetworksAttachments: [{
      Network: {
        ID: 'net1', ...metaJson, Spec: { Name: 'ov', Labels: { a: 'b' }, DriverConfiguration: { Name: 'overlay', Options: { encrypted: '' } }, Attachable: true, Scope: 'swarm' },
        DriverState: { Name: 'overlay', Options: { 'encrypted': '', 'com.docker.network.driver.overlay.vxlanid_list': '4097' } },
        IPAMOptions: { Driver: { Name: 'default' }, Configs: [{ Subnet: '10.0.1.0/24', Gateway: '10.0.1.1' }] },
      },
      Addresses: ['10.0.1.5/24'],
    }],
  })
})

test('a job\'s first slot is absent and its iteration present', () => {
  const json = plain(taskToJson(make('Task', { id: 't', slot: 0, jobIteration: 0, spec: {} }), new Map()))
  assert.deepEqual([json.Slot, json.JobIteration], [undefined, { Index: 0 }])
})

test('a swarm network is shown like a network, and keeps what the host knows of it', () => {
  const json = plain(networkToJson(network))
  assert.deepEqual([json.Scope, json.Driver, json.IPAM.Config, json.Options['com.docker.network.driver.overlay.vxlanid_list']], ['swarm', 'overlay', [{ Subnet: '10.0.1.0/24', Gateway: '10.0.1.1' }], '4097'])
  const merged = mergeNetworks([{ Id: 'net1', Name: 'ov', Scope: 'local', Containers: { c: { Name: 'x' } } }, { Id: 'l', Name: 'bridge' }], [network])
  assert.deepEqual(merged.map(({ Id, Scope, Containers }) => [Id, Scope, Containers]), [['l', undefined, undefined], ['net1', 'swarm', { c: { Name: 'x' } }]])
})

test('a network request becomes a spec with what was asked for', () => {
  const spec = networkSpecFromJson({ Name: 'ov', Attachable: true, Options: { o: '1' }, IPAM: { Config: [{ Subnet: '10.9.0.0/24', IPRange: '10.9.0.0/25', Gateway: '10.9.0.1' }] } })
  assert.deepEqual([spec.driver, spec.attachable, spec.ipam?.configs], [{ name: 'overlay', options: { o: '1' } }, true, [{ subnet: '10.9.0.0/24', range: '10.9.0.0/25', gateway: '10.9.0.1', reserved: {} }]])
})

test('a secret never shows its data, a config does', () => {
  const secret = make('Secret', { id: 'x', meta, spec: secretSpecFromJson({ Name: 'pw', Data: 'c2VjcmV0' }) })
  assert.equal(Buffer.from(secret.spec?.data ?? []).toString(), 'secret')
  assert.doesNotMatch(JSON.stringify(secretToJson(secret)), /c2VjcmV0|Data/)
  const config = make('Config', { id: 'x', meta, spec: configSpecFromJson({ Name: 'conf', Data: 'cGF5bG9hZA==' }) })
  assert.equal(configToJson(config).Spec?.Data, 'cGF5bG9hZA==')
  assert.throws(() => secretSpecFromJson({ Data: 'not base 64!' }), /Data must be base 64/)
})

test('the registry password of a service is never shown', () => {
  const service = make('Service', { id: 's', spec: { task: { container: { image: 'i', registryAuth: 'password' } } } })
  assert.doesNotMatch(JSON.stringify(serviceToJson(service, { withDefaults: true })), /password/)
})

test('a node shows its manager status only when it is a manager, and needs role and availability in updates', () => {
  assert.equal(plain(nodeToJson(make('Node', { id: 'n', meta }))).ManagerStatus, undefined)
  assert.deepEqual(plain(nodeToJson(make('Node', { id: 'n', managerStatus: { reachability: 'reachable', addr: 'a:1' } }))).ManagerStatus, { Reachability: 'reachable', Addr: 'a:1' })
  assert.deepEqual(nodeSpecFromJson({ Role: 'manager', Availability: 'drain' }), { annotations: { name: '', labels: {} }, role: 'manager', availability: 'drain' })
  assert.throws(() => nodeSpecFromJson({ Role: 'manager' }), /invalid Availability:/)
  assert.throws(() => nodeSpecFromJson({ Role: 'boss' as 'manager', Availability: 'active' }), /invalid Role: "boss"/)
})

test('an update of the swarm changes only what it names', () => {
  const spec = mergeClusterSpec(defaultClusterSpec(), { Orchestration: { TaskHistoryRetentionLimit: 0 }, Raft: { SnapshotInterval: 500 }, EncryptionConfig: {} })
  assert.deepEqual([spec.taskHistoryRetentionLimit, spec.raft?.snapshotInterval, spec.raft?.electionTick, spec.heartbeatPeriodNs, spec.autoLockManagers], [0, 500, 10, 5e9, false])
  assert.deepEqual(mergeClusterSpec(spec, {}), spec)
  assert.throws(() => mergeClusterSpec(spec, { CAConfig: { SigningCACert: 'PEM' } }), /not supported by shoal/)
})

test('keys and unlock keys of the cluster stay inside, tokens are shown to managers only', () => {
  const cluster = make('Cluster', {
    id: 'c', meta, spec: defaultClusterSpec(), unlockKey: 'SWMKEY-1-hidden', addressPool: ['10.0.0.0/8'], subnetSize: 24, dataPathPort: 4789,
    rootCa: { keyPem: Buffer.from('hidden'), certPem: Buffer.from('PEM'), joinTokens: { worker: 'SWMTKN-1-w', manager: 'SWMTKN-1-m' } },
  })
  assert.doesNotMatch(JSON.stringify(swarmToJson(cluster, undefined)), /hidden|aGlkZGVu/)
  assert.deepEqual(swarmToJson(cluster, undefined).JoinTokens, { Worker: 'SWMTKN-1-w', Manager: 'SWMTKN-1-m' })
  assert.doesNotMatch(JSON.stringify(clusterInfoToJson(cluster, undefined)), /SWMTKN/)
  assert.deepEqual(plain(clusterInfoToJson(cluster, undefined)).Spec, {
    Name: 'default', Labels: {}, Orchestration: { TaskHistoryRetentionLimit: 5 }, Dispatcher: { HeartbeatPeriod: 5_000_000_000 }, CAConfig: { NodeCertExpiry: 7_776_000_000_000_000 },
    Raft: { SnapshotInterval: 10_000, KeepOldSnapshots: 0, LogEntriesForSlowFollowers: 500, ElectionTick: 10, HeartbeatTick: 1 }, TaskDefaults: {}, EncryptionConfig: { AutoLockManagers: false },
  })
})
