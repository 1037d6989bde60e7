import assert from 'node:assert/strict'
import test from 'node:test'
import { make } from '../codec/codec.ts'
import { nodeMeetsConstraints, parseConstraints } from './constraint.ts'
import type { Node } from './objects.ts'

const NODE: Node = make('Node', {
  id: 'n1', role: 'manager', status: { state: 'ready', addr: '10.1.2.3:2377' },
  spec: { annotations: { labels: { Disk: 'SSD' } } },
  description: { hostname: 'Alpha', platform: { os: 'linux', architecture: 'x86_64' }, engineLabels: { zone: 'a' } },
})
const meets = (...expressions: string[]): boolean => nodeMeetsConstraints(expressions, NODE)

test('each key compares its field, values and keys without regard to case, label names with it', () => {
  for (const met of ['node.id==n1', 'node.id == N1', 'NODE.hostname==alpha', 'node.role==manager', 'node.role != worker', 'node.platform.os==Linux',
    'node.platform.arch==x86_64', 'node.labels.Disk==ssd', 'engine.labels.zone==A', 'node.labels.none!=x']) assert.equal(meets(met), true, met)
  for (const missed of ['node.id==n2', 'node.role!=manager', 'node.platform.arch==amd64', 'node.labels.disk==ssd', 'node.labels.none==x']) {
    assert.equal(meets(missed), false, missed)
  }
})

test('an unknown key is never met', () => {
  assert.equal(meets('node.colour==red'), false)
  assert.equal(meets('node.colour!=red'), false)
})

test('node.ip takes an address or a CIDR', () => {
  assert.equal(meets('node.ip==10.1.2.3'), true)
  assert.equal(meets('node.ip==10.1.0.0/16'), true)
  assert.equal(meets('node.ip!=10.1.0.0/16'), false)
  assert.equal(meets('node.ip==10.2.0.0/16'), false)
  assert.equal(meets('node.ip==fd00::/8'), false)
  assert.equal(meets('node.ip!=nonsense'), false)
})

test('all constraints must hold, and none is always met', () => {
  assert.equal(meets('node.id==n1', 'node.role==worker'), false)
  assert.equal(meets(), true)
})

test('there are no globs in spite of the characters allowed', () => assert.equal(meets('node.hostname==Al*'), false))

test('malformed expressions are named in the error', () => {
  const messageOf = (expression: string): string => {
    try { parseConstraints([expression]) } catch (error) { return (error as Error).message }
    return ''
  }
  assert.equal(messageOf('node.id'), 'constraint expected one operator from ==, !=')
  assert.equal(messageOf('1x==a'), "key '1x' is invalid")
  assert.equal(messageOf('node.id=='), "value '' is invalid")
  assert.equal(messageOf('node.id==a,b'), "value 'a,b' is invalid")
})
