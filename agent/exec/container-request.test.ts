import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make, type Draft } from '../../src/api/codec/codec.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import { containerRequest } from './container-request.ts'
import { expandTemplate } from '../../src/api/swarm/template.ts'
import { templateContext } from './template.ts'

const NODE = make('Node', { id: 'n1', description: { hostname: 'host1', platform: { os: 'linux', architecture: 'x86_64' } } })
const BASE: Draft<Task> = { id: 't1', nodeId: 'n1', serviceId: 's1', slot: 3, annotations: { name: 'web.3.t1' }, serviceAnnotations: { name: 'web', labels: { tier: 'front' } } }

function request(draft: Draft<Task>) {
  const task = make('Task', { ...BASE, ...draft })
  return containerRequest(task, templateContext(task, NODE), [])
}

test('command is the entrypoint, args the command; empty ones leave the image\'s', () => {
  const { config } = request({ spec: { container: { image: 'x', command: ['a'], args: ['b'] } } })
  assert.deepEqual([config.Entrypoint, config.Cmd], [['a'], ['b']])
  const bare = request({ spec: { container: { image: 'x' } } }).config
  assert.equal('Entrypoint' in bare || 'Cmd' in bare || 'Healthcheck' in bare, false)
})

test('system labels override the user\'s', () => {
  const { config } = request({ spec: { container: { labels: { mine: '1', 'com.docker.swarm.task.id': 'forged' } } } })
  assert.deepEqual(config.Labels, {
    mine: '1', 'com.docker.swarm.task': '', 'com.docker.swarm.task.id': 't1', 'com.docker.swarm.task.name': 'web.3.t1', 'com.docker.swarm.node.id': 'n1',
    'com.docker.swarm.service.id': 's1', 'com.docker.swarm.service.name': 'web',
  })
})

test('values of the environment, hostname and mounts are templates; names and labels are not', () => {
  const { config, hostConfig } = request({
    spec: { container: {
      env: ['SLOT={{.Task.Slot}}', 'NODE={{ .Node.Hostname }}-{{.Service.Labels.tier}}', '{{.Task.ID}}'], hostname: '{{.Service.Name}}-{{.Task.Slot}}', labels: { x: '{{.Task.ID}}' },
      mounts: [{ type: 'volume', source: 'data-{{.Task.Slot}}', target: '/{{.Service.ID}}', volume: { labels: { l: '{{.Node.ID}}' }, driver: { name: 'local', options: { o: '{{.Task.Name}}' } } } }],
    } },
  })
  assert.deepEqual(config.Env, ['SLOT=3', 'NODE=host1-front', '{{.Task.ID}}'])
  assert.equal(config.Hostname, 'web-3')
  assert.equal(config.Labels?.['x'], '{{.Task.ID}}')
  const [mount] = hostConfig?.Mounts ?? []
  assert.deepEqual([mount?.Source, mount?.Target, mount?.VolumeOptions?.Labels, mount?.VolumeOptions?.DriverConfig], ['data-3', '/s1', { l: 'n1' }, { Name: 'local', Options: { o: 'web.3.t1' } }])
})

test('limits, security and the rest of the spec reach the host config; reservations do not', () => {
  const { hostConfig } = request({
    genericResources: [{ kind: 'gpu', named: 'a' }, { kind: 'gpu', named: 'b' }],
    logDriver: { name: 'json-file', options: { 'max-size': '1m' } },
    spec: {
      resources: { limits: { memoryBytes: 5e6, nanoCpus: 5e8, pids: 9 }, reservations: { memoryBytes: 9e9 } },
      container: {
        image: 'x', readOnly: true, init: true, sysctls: { a: '1' }, capabilityAdd: ['CAP_NET_ADMIN'], hosts: ['10.0.0.9 db database'], dnsConfig: { nameservers: ['1.1.1.1'] },
        privileges: { noNewPrivileges: true, seccompMode: 'unconfined' }, groups: ['7'], ulimits: [{ name: 'nofile', soft: 1, hard: 2 }],
      },
    },
  })
  const { Memory, NanoCpus, PidsLimit, MemoryReservation, ReadonlyRootfs, Init, ExtraHosts, SecurityOpt, LogConfig, NetworkMode, RestartPolicy } = hostConfig ?? {}
  assert.deepEqual({ Memory, NanoCpus, PidsLimit, MemoryReservation, ReadonlyRootfs, Init, ExtraHosts, SecurityOpt, LogConfig, NetworkMode, RestartPolicy }, {
    Memory: 5e6, NanoCpus: 5e8, PidsLimit: 9, MemoryReservation: undefined, ReadonlyRootfs: true, Init: true, ExtraHosts: ['db:10.0.0.9'],
    SecurityOpt: ['no-new-privileges=true', 'seccomp=unconfined'], LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } }, NetworkMode: 'default', RestartPolicy: { Name: 'no' },
  })
})

test('generic resources are told in the environment', () => {
  const { config } = request({ genericResources: [{ kind: 'gpu', named: 'a' }, { kind: 'gpu', named: 'b' }, { kind: 'ssd', discrete: 2 }], spec: { container: {} } })
  assert.deepEqual(config.Env, ['DOCKER_RESOURCE_GPU=a,b', 'DOCKER_RESOURCE_SSD=2'])
})

test('a predefined network decides the mode and is no endpoint', () => {
  const { hostConfig, networkingConfig } = request({ networks: [{ networkId: 'host' }], spec: { container: {} } })
  assert.equal(hostConfig?.NetworkMode, 'host')
  assert.deepEqual(networkingConfig?.EndpointsConfig, {})
})

test('the slot of a global task is its node', () => {
  const task = make('Task', { ...BASE, slot: 0 })
  assert.equal(expandTemplate('{{.Task.Slot}}', templateContext(task, NODE)), 'n1')
})

test('templates beyond plain fields are refused, unknown names too', () => {
  const context = templateContext(make('Task', BASE), NODE)
  assert.equal(expandTemplate('a {{- .Task.Slot -}} b{{index .Service.Labels "tier"}}', context), 'a3bfront')
  for (const text of ['{{if .Task.Slot}}x{{end}}', '{{printf "%s" .Task.ID}}', '{{ env "HOME" }}']) assert.throws(() => expandTemplate(text, context), { code: 'template-not-supported' }, text)
  for (const text of ['{{.Task.Nope}}', '{{.Service.Labels.nope}}', '{{.constructor}}']) assert.throws(() => expandTemplate(text, context), { code: 'template-unknown-field' }, text)
})

test('what is no container, or mounts what we cannot, is refused', () => {
  assert.throws(() => request({ spec: {} }), { code: 'runtime-not-supported' })
  assert.throws(() => request({ spec: { container: { mounts: [{ type: 'cluster', source: 'v', target: '/v' }] } } }), { code: 'mount-type-not-supported' })
})
