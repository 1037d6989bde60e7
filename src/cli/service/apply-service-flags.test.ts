import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyServiceFlags } from './apply-service-flags.ts'
import type { JsonObject } from './json-path.ts'

const lookup = async (kind: string, name: string): Promise<string> => `${kind}-id-of-${name}`
async function apply(spec: JsonObject, flags: Readonly<Record<string, unknown>>): Promise<JsonObject> {
  await applyServiceFlags(spec, new Map(Object.entries(flags)), lookup)
  return spec
}

test('scalar flags land where the API wants them, in its units', async () => {
  const spec = await apply({}, { 'limit-cpu': '0.5', 'limit-memory': '64M', 'stop-grace-period': '1m30s', 'replicas': '3' })
  assert.deepEqual(spec, {
    TaskTemplate: { ContainerSpec: { StopGracePeriod: 90e9 }, Resources: { Limits: { NanoCPUs: 5e8, MemoryBytes: 64 * 1024 * 1024 } } }, Mode: { Replicated: { Replicas: 3 } },
  })
})

test('any update flag brings the other update defaults with it', async () => {
  const spec = await apply({}, { 'update-delay': '2s' })
  assert.deepEqual(spec['UpdateConfig'], { Parallelism: 1, Delay: 2e9, FailureAction: 'pause', Monitor: 5e9, MaxFailureRatio: 0, Order: 'stop-first' })
})

test('an added variable replaces the one of the same name, a removed one goes', async () => {
  const spec = await apply({ TaskTemplate: { ContainerSpec: { Env: ['A=1', 'B=2', 'C=3'] } } }, { 'env-add': ['B=20'], 'env-rm': ['C'] })
  assert.deepEqual(spec, { TaskTemplate: { ContainerSpec: { Env: ['A=1', 'B=20'] } } })
})

test('publish-rm means the target port', async () => {
  const ports = [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' }, { Protocol: 'udp', TargetPort: 53, PublishedPort: 53, PublishMode: 'ingress' }]
  const spec = await apply({ EndpointSpec: { Ports: ports } }, { 'publish-rm': ['80'] })
  assert.deepEqual(spec, { EndpointSpec: { Ports: [ports[1]] } })
})

test('secrets are referred to by id and name', async () => {
  const spec = await apply({}, { secret: ['source=key,target=k,mode=0400'] })
  assert.deepEqual(spec, { TaskTemplate: { ContainerSpec: { Secrets: [{ SecretID: 'secret-id-of-key', SecretName: 'key', File: { Name: 'k', UID: '0', GID: '0', Mode: 0o400 } }] } } })
})

test('a value of the wrong kind is refused and names its flag', async () => {
  await assert.rejects(apply({}, { 'limit-memory': 'lots' }), /--limit-memory/)
  await assert.rejects(apply({}, { publish: ['80:90:100'] }), /--publish/)
})
