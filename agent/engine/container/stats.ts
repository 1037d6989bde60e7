import { readFileSync } from 'node:fs'
import type { Clock } from '../../../src/base/clock.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Container } from './container.ts'
import { isUp } from './container-record.ts'

const INTERVAL_MS = 1000
export interface StatsSource { readonly kernel: Kernel; readonly clock: Clock; readonly container: Container; readonly cgroup: string }
type Sample = Readonly<Record<string, unknown>>

/** ContainerStatsResponse values: each second until the container is removed, one with a second's difference, or one at once. */
export async function* containerStats(source: StatsSource, options: { readonly stream: boolean; readonly oneShot: boolean }, signal?: AbortSignal): AsyncIterable<Sample> {
  const { clock, container } = source
  let before = sample(source)
  if (!options.stream && options.oneShot) { yield describe(source, before, undefined); return }
  const removed = new AbortController()
  container.removed().then(() => removed.abort(new Error('removed')), () => undefined)
  const either = signal === undefined ? removed.signal : AbortSignal.any([signal, removed.signal])
  if (options.stream) yield describe(source, before, undefined)
  for (;;) {
    try {
      await clock.sleep(INTERVAL_MS, either)
    } catch {
      return // The client left, or the container is gone.
    }
    const now = sample(source)
    yield describe(source, now, before)
    if (!options.stream) return
    before = now
  }
}

interface Measured { readonly read: string; readonly up: boolean; readonly cpu: Sample; readonly memory: Sample; readonly pids: Sample; readonly blkio: Sample; readonly networks: Sample }

function describe({ container }: StatsSource, now: Measured, before: Measured | undefined): Sample {
  return {
    read: now.read, preread: before?.read ?? '0001-01-01T00:00:00Z', pids_stats: now.pids, blkio_stats: now.blkio, num_procs: 0, storage_stats: {},
    cpu_stats: now.cpu, precpu_stats: before?.cpu ?? EMPTY_CPU, memory_stats: now.memory, name: `/${container.record.name}`, id: container.id,
    ...(now.up ? { networks: now.networks } : {}),
  }
}

const EMPTY_CPU: Sample = { cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 }, throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 } }

function sample({ kernel, clock, container, cgroup }: StatsSource): Measured {
  const read = new Date(clock.nowMs()).toISOString()
  if (!isUp(container.state)) return { read: '0001-01-01T00:00:00Z', up: false, cpu: EMPTY_CPU, memory: {}, pids: {}, blkio: EMPTY_BLKIO, networks: {} }
  const measure = kernel.cgroups.version === 1 ? measureV1 : measureV2
  return { read, up: true, ...measure(kernel, cgroup), networks: networkStats(container.state.pid) }
}

const EMPTY_BLKIO: Sample = {
  io_service_bytes_recursive: null, io_serviced_recursive: null, io_queue_recursive: null, io_service_time_recursive: null, io_wait_time_recursive: null,
  io_merged_recursive: null, io_time_recursive: null, sectors_recursive: null,
}

/** What a kernel without the CFQ scheduler counts no more: runc then reports empty lists. */
const NO_BLKIO_V1: Sample = Object.fromEntries(Object.keys(EMPTY_BLKIO).map(key => [key, []]))

function measureV1(kernel: Kernel, cgroup: string): Omit<Measured, 'read' | 'up' | 'networks'> {
  const { cgroups, host } = kernel
  const memory = keyed(cgroups.read(cgroup, 'memory', 'memory.stat'))
  const usage = keyed(cgroups.read(cgroup, 'cpuacct', 'cpuacct.stat'))
  const throttling = keyed(cgroups.read(cgroup, 'cpu', 'cpu.stat'))
  const tick = 1e9 / host.clockTicksPerSecond
  return {
    cpu: {
      cpu_usage: {
        total_usage: number(cgroups.read(cgroup, 'cpuacct', 'cpuacct.usage')), usage_in_kernelmode: (usage['system'] ?? 0) * tick, usage_in_usermode: (usage['user'] ?? 0) * tick,
        percpu_usage: (cgroups.read(cgroup, 'cpuacct', 'cpuacct.usage_percpu') ?? '').trim().split(/\s+/).map(Number),
      },
      system_cpu_usage: host.systemCpuNanos(), online_cpus: host.cpuCount,
      throttling_data: { periods: throttling['nr_periods'] ?? 0, throttled_periods: throttling['nr_throttled'] ?? 0, throttled_time: throttling['throttled_time'] ?? 0 },
    },
    memory: {
      usage: number(cgroups.read(cgroup, 'memory', 'memory.usage_in_bytes')), max_usage: number(cgroups.read(cgroup, 'memory', 'memory.max_usage_in_bytes')), stats: memory,
      failcnt: number(cgroups.read(cgroup, 'memory', 'memory.failcnt')), limit: Math.min(host.memoryBytes, number(cgroups.read(cgroup, 'memory', 'memory.limit_in_bytes'))),
    },
    pids: pidsStats(kernel, cgroup),
    blkio: { ...NO_BLKIO_V1, io_service_bytes_recursive: blkioV1(cgroups.read(cgroup, 'blkio', 'blkio.throttle.io_service_bytes_recursive')), io_serviced_recursive: blkioV1(cgroups.read(cgroup, 'blkio', 'blkio.throttle.io_serviced_recursive')) },
  }
}

function measureV2(kernel: Kernel, cgroup: string): Omit<Measured, 'read' | 'up' | 'networks'> {
  const { cgroups, host } = kernel
  const cpu = keyed(cgroups.read(cgroup, 'cpu', 'cpu.stat'))
  const limit = cgroups.read(cgroup, 'memory', 'memory.max')?.trim()
  return {
    cpu: {
      cpu_usage: { total_usage: (cpu['usage_usec'] ?? 0) * 1000, usage_in_kernelmode: (cpu['system_usec'] ?? 0) * 1000, usage_in_usermode: (cpu['user_usec'] ?? 0) * 1000 },
      system_cpu_usage: host.systemCpuNanos(), online_cpus: host.cpuCount,
      throttling_data: { periods: cpu['nr_periods'] ?? 0, throttled_periods: cpu['nr_throttled'] ?? 0, throttled_time: (cpu['throttled_usec'] ?? 0) * 1000 },
    },
    memory: { usage: number(cgroups.read(cgroup, 'memory', 'memory.current')), stats: keyed(cgroups.read(cgroup, 'memory', 'memory.stat')), limit: limit === undefined || limit === 'max' ? host.memoryBytes : Math.min(host.memoryBytes, Number(limit)) },
    pids: pidsStats(kernel, cgroup),
    blkio: { ...EMPTY_BLKIO, io_service_bytes_recursive: ioV2(cgroups.read(cgroup, 'blkio', 'io.stat')) },
  }
}

function pidsStats({ cgroups }: Kernel, cgroup: string): Sample {
  const limit = cgroups.read(cgroup, 'pids', 'pids.max')?.trim()
  return { current: number(cgroups.read(cgroup, 'pids', 'pids.current')), ...(limit === undefined || limit === 'max' ? {} : { limit: Number(limit) }) }
}

function keyed(text: string | undefined): Readonly<Record<string, number>> {
  const pairs = (text ?? '').trim().split('\n').filter(line => line !== '').map(line => line.split(' '))
  return Object.fromEntries(pairs.map(([key = '', value]) => [key, Number(value)]))
}

function number(text: string | undefined): number { return text === undefined ? 0 : Number(text.trim()) }

/** "8:0 Read 4096" */
function blkioV1(text: string | undefined): readonly Sample[] {
  return (text ?? '').split('\n').flatMap(line => {
    const [, major, minor, op, value] = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line) ?? []
    return op === undefined ? [] : [{ major: Number(major), minor: Number(minor), op: op.toLowerCase(), value: Number(value) }]
  })
}

/** "8:0 rbytes=1 wbytes=2 …" */
function ioV2(text: string | undefined): readonly Sample[] {
  return (text ?? '').split('\n').flatMap(line => {
    const [, major, minor, read, write] = /^(\d+):(\d+) rbytes=(\d+) wbytes=(\d+)/.exec(line) ?? []
    return write === undefined ? [] : [['read', read], ['write', write]].map(([op, value]) => ({ major: Number(major), minor: Number(minor), op, value: Number(value) }))
  })
}

/** Counters of the interfaces that the process sees, without loopback. */
function networkStats(pid: number): Sample {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/net/dev`, 'utf8')
  } catch {
    return {}
  }
  const rows = text.split('\n').map(line => line.trim().split(/[:\s]+/)).filter(row => row.length > 16 && row[0] !== 'lo')
  return Object.fromEntries(rows.map(([name = '', ...values]) => {
    const [rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0, , , , , tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0] = values.map(Number)
    return [name, { rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped }]
  }))
}
