import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode } from '../../api/codec/codec.ts'
import type { ServiceSpec as ServiceSpecJson } from '../../api/engine/swarm-json.ts'
import { ShoalError } from '../../base/errors.ts'
import { SeededRandom } from '../../platform/clock/seeded-random.ts'
import { shaped, type Shape } from '../json/shape.ts'
import { SERVICE_SPEC } from '../json/swarm-shapes.ts'
import { adjustForVersion } from './adjust-for-version.ts'
import { insertDefaults } from './service-defaults.ts'
import { serviceSpecFromJson, serviceSpecToJson } from './service-spec.ts'

/** Words of the fields that take only certain ones, by the end of their path. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  'Type': ['volume', 'bind', 'tmpfs'], 'BindOptions.Propagation': ['rslave', 'private'], 'Consistency': ['cached', 'default'], 'Isolation': ['hyperv', 'default'],
  'Condition': ['on-failure', 'none', 'any'], 'FailureAction': ['rollback', 'pause', 'continue'], 'Order': ['start-first', 'stop-first'], 'EndpointSpec.Mode': ['dnsrr', 'vip'],
  'Protocol': ['udp', 'tcp', 'sctp'], 'PublishMode': ['host', 'ingress'], 'Seccomp.Mode': ['custom', 'default'], 'AppArmor.Mode': ['disabled', 'default'],
  'Seccomp.Profile': ['AQID'], 'Runtime': ['container'], 'SELinuxContext.Type': ['any text'],
}
/** Not swarm's: cluster volumes, and members that only containers of the engine have. */
const LEFT_OUT = /PluginSpec|NetworkAttachmentSpec|ImageOptions|ClusterOptions|\.NamedResourceSpec|Global|ReplicatedJob$/

/** A value for every field of the shape; `pick` chooses among words and numbers. */
function filled(shape: Shape, path: string, pick: (count: number) => number): unknown {
  if (typeof shape !== 'string') {
    if (shape.kind === 'list') return path.endsWith('TmpfsOptions.Options') ? [['size', '1m'], ['exec']] : [filled(shape.of, path, pick)]
    if (shape.kind === 'map') return path.endsWith('Configs.Runtime') ? {} : { key: filled(shape.of, path, pick) }
    return Object.fromEntries(Object.entries(shape.fields).filter(([name]) => !LEFT_OUT.test(`${path}.${name}`)).map(([name, inner]) => [name, filled(inner, `${path}.${name}`, pick)]))
  }
  const words = Object.entries(WORDS).filter(([end]) => path.endsWith(`.${end}`)).toSorted(([a], [b]) => b.length - a.length)[0]?.[1]
  if (words !== undefined) return words[pick(words.length)]
  switch (shape) {
    case 'string': return `value of ${path}`
    case 'words': return ['a', 'b']
    case 'integer': return 1 + pick(60_000)
    case 'number': return 0.25
    case 'boolean': return true
    case 'any': return {}
  }
}

const full = (pick: (count: number) => number): ServiceSpecJson => filled(SERVICE_SPEC, '', pick) as ServiceSpecJson

test('every field of a service spec survives the way into the store and back', () => {
  const json = full(count => count === 60_000 ? 7 : 0)
  const stored = decode('ServiceSpec', encode('ServiceSpec', serviceSpecFromJson(json)))
  assert.deepEqual(JSON.parse(JSON.stringify(serviceSpecToJson(stored))), json)
})

test('a stored spec shown and sent again is the same spec, for any choice of values', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed)
    const drop = (value: unknown): unknown => Array.isArray(value) ? value.map(drop) : typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).filter(() => random.next() < 0.7).map(([key, inner]) => [key, drop(inner)])) : value
    const spec = serviceSpecFromJson(shaped(SERVICE_SPEC, drop(full(count => Math.floor(random.next() * count)))) as ServiceSpecJson)
    const again = serviceSpecFromJson(JSON.parse(JSON.stringify(serviceSpecToJson(spec))) as ServiceSpecJson)
    assert.deepEqual(again, spec, `seed ${seed}`)
  }
})

test('absent parts stay absent but for the number of replicas', () => {
  const spec = serviceSpecFromJson({ Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'busybox' } } })
  assert.deepEqual([spec.update, spec.rollback, spec.endpoint, spec.task?.restart, spec.task?.placement, spec.task?.resources, spec.task?.container?.init], Array(7).fill(undefined))
  assert.deepEqual(spec.replicated, { replicas: 1 })
})

test('inspect with defaults shows what docker service inspect shows', () => {
  const spec = serviceSpecFromJson({ Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'busybox' } }, EndpointSpec: { Mode: 'vip' } })
  const update = { Parallelism: 1, FailureAction: 'pause', Monitor: 5_000_000_000, MaxFailureRatio: 0, Order: 'stop-first' }
  assert.deepEqual(JSON.parse(JSON.stringify(serviceSpecToJson(insertDefaults(spec)))), {
    Name: 'web', Labels: {},
    TaskTemplate: {
      ContainerSpec: { Image: 'busybox', StopGracePeriod: 10_000_000_000, DNSConfig: {}, Isolation: 'default' },
      Resources: { Limits: {}, Reservations: {} }, RestartPolicy: { Condition: 'any', Delay: 5_000_000_000, MaxAttempts: 0 }, Placement: {}, ForceUpdate: 0, Runtime: 'container',
    },
    Mode: { Replicated: { Replicas: 1 } }, UpdateConfig: update, RollbackConfig: update, EndpointSpec: { Mode: 'vip' },
  })
})

test('a given update config keeps parallelism 0', () => {
  const spec = insertDefaults(serviceSpecFromJson({ UpdateConfig: { FailureAction: 'continue' } }))
  assert.deepEqual([spec.update?.parallelism, spec.update?.monitorNs, spec.rollback?.parallelism], [0, 5e9, 1])
})

test('values that Docker refuses are refused with its texts', () => {
  const refusal = (json: ServiceSpecJson): string => {
    try {
      serviceSpecFromJson(json)
    } catch (error) {
      assert(error instanceof ShoalError)
      assert.equal(error.kind, 'invalid-argument')
      return error.message
    }
    return 'accepted'
  }
  assert.equal(refusal({ TaskTemplate: { RestartPolicy: { Condition: 'sometimes' } } }), 'invalid RestartCondition: "sometimes"')
  assert.equal(refusal({ UpdateConfig: { FailureAction: 'shrug' } }), 'unrecognized update failure action "shrug"')
  assert.equal(refusal({ Mode: { Global: {}, Replicated: {} } }), 'must specify only one service mode')
  assert.equal(refusal({ TaskTemplate: { ContainerSpec: { Mounts: [{ Type: 'floppy' as 'bind' }] } } }), 'invalid MountType: "floppy"')
  assert.equal(refusal({ Mode: { Replicated: { Replicas: -1 } } }), 'invalid JSON: Mode.Replicated.Replicas must not be negative')
  assert.equal(refusal({ EndpointSpec: { Ports: [{ TargetPort: 70_000 }] } }), 'invalid JSON: EndpointSpec.Ports.TargetPort must be between 0 and 65535')
})

test('fields newer than the client are blanked', () => {
  const json = full(() => 0)
  const shown = (minor: number): ServiceSpecJson => adjustForVersion(json, { major: 1, minor })
  assert.deepEqual(shown(50), json)
  assert.equal(shown(45).TaskTemplate?.ContainerSpec?.OomScoreAdj, 0)
  assert.equal(shown(45).TaskTemplate?.ContainerSpec?.Mounts?.[0]?.TmpfsOptions?.Options, undefined)
  assert.equal(shown(43).TaskTemplate?.ContainerSpec?.Privileges?.Seccomp, undefined)
  assert.equal(shown(43).TaskTemplate?.ContainerSpec?.Healthcheck?.StartInterval, 0)
  assert.equal(shown(40).TaskTemplate?.ContainerSpec?.CapabilityAdd, undefined)
  assert.equal(shown(40).TaskTemplate?.Resources?.Limits?.Pids, 0)
  assert.notEqual(shown(40).TaskTemplate?.ContainerSpec?.Sysctls, undefined)
  assert.equal(shown(39).TaskTemplate?.ContainerSpec?.Sysctls, undefined)
  assert.equal(shown(39).TaskTemplate?.Placement?.MaxReplicas, 0)
})
