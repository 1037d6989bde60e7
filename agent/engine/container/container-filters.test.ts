import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkContainerFilters, matchesFilters } from './container-filters.ts'
import { NEW_STATE, type ContainerRecord } from './container-record.ts'
import { parseSignal } from './signals.ts'

const NO_FACTS = { ancestors: undefined, beforeMs: undefined, sinceMs: undefined }
const RUNNING: ContainerRecord = {
  id: 'ab'.repeat(32), name: 'web', created: '2024-01-01T00:00:00Z', imageId: 'sha256:1', diffIds: [], config: { ExposedPorts: { '70/tcp': {} } }, hostConfig: {}, endpoints: {}, mounts: [], state: { ...NEW_STATE, status: 'running' },
  restartCount: 0, stoppedByUser: false,
  sandbox: { endpoints: {}, ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '90/udp': null }, hosts: '', resolvConf: '' },
}

function matches(filters: { readonly publish?: readonly string[]; readonly expose?: readonly string[] }, record = RUNNING): boolean { return matchesFilters(record, { publish: [], expose: [], ...filters }, NO_FACTS) }

test('ports are those of a running container, and publish and expose are alternatives', () => {
  for (const filters of [{ publish: ['8080'] }, { publish: ['8000-8100/tcp'] }, { expose: ['80'] }, { expose: ['90/udp'] }, { expose: ['1'], publish: ['8080'] }]) assert.ok(matches(filters), JSON.stringify(filters))
  for (const filters of [{ publish: ['80'] }, { publish: ['8080/udp'] }, { expose: ['90'] }, { expose: ['70'] }, { expose: ['1'], publish: ['2'] }]) assert.ok(!matches(filters), JSON.stringify(filters))
  assert.ok(!matches({ expose: ['80'] }, { ...RUNNING, sandbox: undefined }))
})

test('values that are none are refused in the words of dockerd', () => {
  for (const [filters, message] of [
    [{ status: ['bogus'] }, "invalid filter 'status=bogus': invalid value for state (bogus): must be one of created, running, paused, restarting, removing, exited, dead"],
    [{ health: ['bogus'] }, "invalid filter 'health=bogus': invalid value for health (bogus): must be one of none, starting, healthy, unhealthy"],
    [{ exited: ['x'] }, 'strconv.Atoi: parsing "x": invalid syntax'],
    [{ publish: ['x'] }, 'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax'],
    [{ expose: ['9-5'] }, 'error while looking up for expose 9-5: invalid range specified for port: 9-5'],
    [{ expose: ['1:2'] }, "filter for 'expose' should not contain ':': 1:2"],
    [{ publish: [''] }, 'error while looking up for publish : empty string specified for ports'],
  ] as const) assert.throws(() => checkContainerFilters(filters), { message, code: 'invalid-filter' })
  checkContainerFilters({ status: ['exited'], health: ['none'], exited: ['-1'], publish: ['80', '80-90/udp'] })
})

test('real-time signals are counted from either end, as far as Docker names them', () => {
  assert.deepEqual(['RTMIN', 'SIGRTMIN+15', 'RTMAX', 'sigrtmax-14', 'usr1', '9'].map(parseSignal), [34, 49, 64, 50, 10, 9])
  for (const bad of ['RTMIN+16', 'RTMAX-15', 'RTMAX+1', '0', '65', 'BOGUS']) assert.throws(() => parseSignal(bad), { code: 'invalid-signal' }, bad)
})
