import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getPath } from '../service/json-path.ts'
import { convertService } from './convert-service.ts'
import { interpolate } from './interpolate.ts'
import type { Section, StackFile } from './stack-file.ts'

const stackFile = (web: Readonly<Record<string, unknown>>, rest: Partial<StackFile> = {}): StackFile =>
  ({ folder: '/srv', services: { web: { image: 'web:1', ...web } }, networks: {}, volumes: {}, secrets: {}, configs: {}, ...rest })
const convert = (file: StackFile): unknown => convertService('st', 'web', file, { secrets: new Map([['st_key', 'id1']]), configs: new Map() })

test('a service joins the default network under its short name', () => {
  const spec = convert(stackFile({}))
  assert.equal(getPath(spec, 'Name'), 'st_web')
  assert.deepEqual(getPath(spec, 'TaskTemplate.Networks'), [{ Target: 'st_default', Aliases: ['web'] }])
  assert.equal(getPath(spec, 'Labels.com'), undefined)
  assert.deepEqual(getPath(spec, 'Mode'), { Replicated: { Replicas: 1 } })
})

test('short and long ports, relative binds and named volumes', () => {
  const spec = convert(stackFile({ ports: ['8080:80', { target: 53, protocol: 'udp', mode: 'host' }], volumes: ['./a:/b:ro', 'data:/var'] }, { volumes: { data: {} } as Section }))
  assert.deepEqual(getPath(spec, 'EndpointSpec.Ports'), [
    { Protocol: 'tcp', TargetPort: 80, PublishMode: 'ingress', PublishedPort: 8080 }, { Protocol: 'udp', TargetPort: 53, PublishMode: 'host' },
  ])
  const mounts = getPath(spec, 'TaskTemplate.ContainerSpec.Mounts') as readonly Readonly<Record<string, unknown>>[]
  assert.deepEqual(mounts[0], { Type: 'bind', Source: '/srv/a', Target: '/b', ReadOnly: true })
  assert.equal(mounts[1]?.['Source'], 'st_data')
})

test('secrets get their cluster name and id', () => {
  const spec = convert(stackFile({ secrets: ['key'] }, { secrets: { key: { file: './k' } } as Section }))
  assert.deepEqual(getPath(spec, 'TaskTemplate.ContainerSpec.Secrets'), [{ SecretID: 'id1', SecretName: 'st_key', File: { Name: 'key', UID: '0', GID: '0', Mode: 0o444 } }])
})

test('what is not in the format is refused by its path', () => {
  assert.throws(() => convert(stackFile({ imaeg: 'x' })), /services\.web: Additional property imaeg/)
  assert.throws(() => convert(stackFile({ networks: ['nope'] })), /undefined network "nope"/)
  assert.throws(() => convert(stackFile({ deploy: { mode: 'sometimes' } })), /Unknown mode: sometimes/)
})

test('variables are filled in as in a shell', () => {
  const environment = { A: 'x', EMPTY: '' }
  assert.equal(interpolate('$A ${A} ${B:-d} ${EMPTY:-d} ${EMPTY-d} ${A:+y} $$A', environment), 'x x d d  y $A')
  assert.throws(() => interpolate('${B:?needed}', environment), /required variable B is missing a value: needed/)
  assert.throws(() => interpolate('a $ b', environment), /Invalid interpolation format/)
})
