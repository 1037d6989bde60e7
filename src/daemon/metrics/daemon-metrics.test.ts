import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryLogger } from '../../platform/log/memory-logger.ts'
import { DaemonMetrics } from './daemon-metrics.ts'
import { MetricsServer } from './metrics-server.ts'

test('Prometheus reads the figures under the names of dockerd', async () => {
  let events = 3
  const metrics = new DaemonMetrics({
    states: async () => ({ running: 2, paused: 0, stopped: 1 }), cpuCount: 4, memoryBytes: 1024, eventCount: () => events, eventSubscribers: () => 1,
    info: { architecture: 'x86_64', commit: '', daemon_id: 'id', graphdriver: 'overlay2', kernel: 'k', os: 'o', os_type: 'linux', os_version: '1', version: '2' },
  })
  class Containers {
    readonly #made: string[] = []
    async create(name: string): Promise<number> { return this.#made.push(name) }
    count(): number { return this.#made.length }
  }
  const containers = metrics.timedContainers(new Containers())
  assert.equal(await containers.create('a'), 1)
  assert.equal(containers.count(), 1)
  metrics.healthCheck(true)
  metrics.healthCheck(false)
  await using server = await MetricsServer.listen('127.0.0.1:0', metrics, new MemoryLogger())
  const read = async (): Promise<string> => (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text()
  const text = await read()
  for (const line of [
    'engine_daemon_container_states_containers{state="running"} 2', 'engine_daemon_engine_cpus_cpus 4', 'engine_daemon_engine_memory_bytes 1024', 'engine_daemon_events_total 3',
    'engine_daemon_events_subscribers_total 1', 'engine_daemon_container_actions_seconds_count{action="create"} 1', 'engine_daemon_health_checks_total 2', 'engine_daemon_health_checks_failed_total 1',
  ]) assert.ok(text.includes(`${line}\n`), line)
  assert.match(text, /engine_daemon_engine_info\{.*daemon_id="id".*\} 1/)
  assert.match(text, /process_resident_memory_bytes \d+/)
  events = 5
  assert.match(await read(), /engine_daemon_events_total 5\n/)
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/other`)).status, 404)
})

test('an address that is none, or taken, is told', async () => {
  const none = { contentType: 'text/plain', text: async () => '' }
  await assert.rejects(MetricsServer.listen('nowhere', none, new MemoryLogger()), { code: 'bad-listen-address' })
  await using server = await MetricsServer.listen('127.0.0.1:0', none, new MemoryLogger())
  await assert.rejects(MetricsServer.listen(`127.0.0.1:${server.port}`, none, new MemoryLogger()), { code: 'address-in-use' })
})
