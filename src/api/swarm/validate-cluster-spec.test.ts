import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../codec/codec.ts'
import { defaultClusterSpec } from './default-cluster-spec.ts'
import type { ClusterSpec } from './specs.ts'
import { validateClusterSpec } from './validate-cluster-spec.ts'

const HOUR_NS = 3_600_000_000_000

test('the default settings, and certificates of an hour or of the default time, are accepted', () => {
  for (const nodeCertExpiryNs of [defaultClusterSpec().nodeCertExpiryNs, HOUR_NS, 0]) validateClusterSpec({ ...defaultClusterSpec(), nodeCertExpiryNs })
})

test('certificates of less than an hour are refused with Docker\'s text', () => {
  for (const nodeCertExpiryNs of [HOUR_NS - 1, 1, -1]) {
    assert.throws(() => validateClusterSpec({ ...defaultClusterSpec(), nodeCertExpiryNs }), { kind: 'invalid-argument', message: 'minimum certificate expiry time is: 1h0m0s' })
  }
})

test('what is not supported is refused, and a negative heartbeat', () => {
  assert.throws(() => validateClusterSpec({ ...defaultClusterSpec(), externalCas: [{ protocol: 'cfssl', url: 'https://ca', options: {}, caCertPem: '' }] }), { kind: 'not-implemented', code: 'not-supported' })
  assert.throws(() => validateClusterSpec({ ...defaultClusterSpec(), heartbeatPeriodNs: -1 }), { code: 'invalid-spec' })
})

test('managers elect later than they are spoken to', () => {
  const withTicks = (electionTick: number, heartbeatTick: number): ClusterSpec => ({ ...defaultClusterSpec(), raft: make('RaftConfig', { electionTick, heartbeatTick }) })
  for (const [election, heartbeat] of [[3, 1], [0, 0], [0, 9], [2, 0]] as const) validateClusterSpec(withTicks(election, heartbeat))
  for (const [election, heartbeat] of [[1, 1], [1, 0], [0, 10], [5, 6]] as const) {
    assert.throws(() => validateClusterSpec(withTicks(election, heartbeat)), { code: 'invalid-spec', message: 'ElectionTick must be greater than HeartbeatTick' })
  }
})
