import type { HostConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { HostFacts } from './host-facts.ts'

const MEMORY_BYTES_MIN = 6 * 1024 * 1024
const CPU_PERIOD_US_MIN = 1000
const CPU_PERIOD_US_MAX = 1_000_000
const CPU_SHARES_MIN = 2
const CPU_SHARES_MAX = 262_144
const BLOCK_WEIGHT_MIN = 10
const BLOCK_WEIGHT_MAX = 1000
const SWAPPINESS_MAX = 100
const DISCARDED = 'or the cgroup is not mounted.'
/** Older clients send it; what it limited is part of the memory limit in every kernel of today. */
type Asked = Partial<HostConfig> & { readonly KernelMemory?: number }

/**
 * Limits that cannot be kept are refused; those that this kernel does not know are taken out, with a warning. `isUpdate`: only what changes is given.
 * All texts are dockerd's (28).
 * @throws `invalid-config` (invalid-argument)
 */
export function checkResources<T extends Asked>(asked: T, facts: HostFacts, isUpdate = false): { readonly host: T; readonly warnings: readonly string[] } {
  checkMemory(asked, isUpdate)
  checkCpu(asked, facts)
  if ((asked.IOMaximumBandwidth ?? 0) !== 0 || (asked.IOMaximumIOps ?? 0) !== 0) throw invalid('Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps')
  const discards: readonly (readonly [lacks: boolean, warning: string, instead: Asked])[] = [
    [(asked.Memory ?? 0) > 0 && asked.MemorySwap !== -1 && !facts.hasSwapLimit, `Your kernel does not support swap limit capabilities ${DISCARDED} Memory limited without swap.`, { MemorySwap: -1 }],
    [(asked.MemorySwappiness ?? -1) >= 0 && facts.cgroupVersion === 2, `Your kernel does not support memory swappiness capabilities ${DISCARDED} Memory swappiness discarded.`, { MemorySwappiness: null as unknown as number }],
    [(asked.KernelMemory ?? 0) > 0, `Your kernel does not support kernel memory limit capabilities ${DISCARDED} Limitation discarded.`, {}],
    [(asked.KernelMemoryTCP ?? 0) > 0 && facts.cgroupVersion === 2, `Your kernel does not support kernel memory TCP limit capabilities ${DISCARDED} Limitation discarded.`, { KernelMemoryTCP: 0 }],
    [asked.OomKillDisable === true && facts.cgroupVersion === 2, 'Your kernel does not support OomKillDisable. OomKillDisable discarded.', { OomKillDisable: false }],
    [asked.OomKillDisable === true && facts.cgroupVersion === 1 && (asked.Memory ?? 0) === 0, 'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.', {}],
    [(asked.CpuPercent ?? 0) > 0, 'linux does not support CPU percent. Percent discarded.', { CpuPercent: 0 }],
    [(asked.BlkioWeight ?? 0) > 0 && !facts.hasBlockWeight, `Your kernel does not support Block I/O weight ${DISCARDED} Weight discarded.`, { BlkioWeight: 0 }],
    [(asked.BlkioWeightDevice ?? []).length > 0 && !facts.hasBlockWeight, `Your kernel does not support Block I/O weight_device ${DISCARDED} Weight-device discarded.`, { BlkioWeightDevice: [] }],
  ]
  const lacking = discards.filter(([lacks]) => lacks)
  const host = lacking.reduce<T>((rest, [, , instead]) => ({ ...rest, ...instead }), asked)
  if ((host.BlkioWeight ?? 0) !== 0 && !within(host.BlkioWeight ?? 0, BLOCK_WEIGHT_MIN, BLOCK_WEIGHT_MAX)) throw invalid('Range of blkio weight is from 10 to 1000')
  return { host, warnings: lacking.map(([, warning]) => warning) }
}

function checkMemory(asked: Asked, isUpdate: boolean): void {
  const { Memory: memory = 0, MemorySwap: swap = 0, MemoryReservation: reservation = 0 } = asked
  const swappiness = asked.MemorySwappiness ?? -1
  if (memory !== 0 && memory < MEMORY_BYTES_MIN) throw invalid('Minimum memory limit allowed is 6MB')
  if (memory > 0 && swap > 0 && swap < memory) throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage')
  if (memory === 0 && swap > 0 && !isUpdate) throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage')
  if (swappiness < -1 || swappiness > SWAPPINESS_MAX) throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`)
  if (reservation !== 0 && reservation < MEMORY_BYTES_MIN) throw invalid('Minimum memory reservation allowed is 6MB')
  if (reservation > 0 && memory > 0 && memory < reservation) throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage')
}

function checkCpu(asked: Asked, facts: HostFacts): void {
  const { NanoCpus: nanoCpus = 0, CpuPeriod: period = 0, CpuQuota: quota = 0, CpuShares: shares = 0, CpuRealtimePeriod: realtimePeriod = 0, CpuRealtimeRuntime: realtimeRuntime = 0 } = asked
  if (nanoCpus > 0 && period > 0) throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set')
  if (nanoCpus > 0 && quota > 0) throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set')
  if (nanoCpus < 0 || nanoCpus > facts.cpuCount * 1e9) throw invalid(`range of CPUs is from 0.01 to ${facts.cpuCount}.00, as there are only ${facts.cpuCount} CPUs available`)
  if (shares < 0) throw invalid(`invalid CPU shares (${shares}): value must be a positive integer`)
  if (shares > 0 && shares < CPU_SHARES_MIN) throw invalid(`the minimum allowed cpu-shares is ${CPU_SHARES_MIN}`)
  if (shares > CPU_SHARES_MAX) throw invalid(`the maximum allowed cpu-shares is ${CPU_SHARES_MAX}`)
  if (period !== 0 && !within(period, CPU_PERIOD_US_MIN, CPU_PERIOD_US_MAX)) throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)')
  if (quota > 0 && quota < CPU_PERIOD_US_MIN) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)')
  if ((realtimePeriod !== 0 || realtimeRuntime !== 0) && !facts.hasRealtime) throw invalid('kernel does not support CPU real-time scheduler')
  if (realtimeRuntime !== 0 && realtimePeriod !== 0 && realtimeRuntime > realtimePeriod) throw invalid('cpu real-time runtime cannot be higher than cpu real-time period')
  checkSet(asked.CpusetCpus ?? '', facts.cpus, 'cpus', 'CPUs')
  checkSet(asked.CpusetMems ?? '', facts.memoryNodes, 'mems', 'memory nodes')
}

function checkSet(asked: string, available: string, file: string, what: string): void {
  if (asked === '') return
  const wanted = parseList(asked)
  if (wanted === undefined) throw invalid(`Invalid value ${asked} for cpuset ${file}: invalid format: ${asked}`)
  const there = new Set(parseList(available) ?? [])
  if (available !== '' && wanted.some(number => !there.has(number))) throw invalid(`Requested ${what} are not available - requested ${asked}, available: ${available}`)
}

const LIST_MAX = 8192

/** "0-2,7" to its numbers; undefined when it is no such list. */
export function parseList(text: string): readonly number[] | undefined {
  const numbers: number[] = []
  for (const part of text.split(',')) {
    const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim()) ?? []
    if (first === '' || Number(first) > Number(last) || Number(last) > LIST_MAX) return undefined
    for (let number = Number(first); number <= Number(last); number++) numbers.push(number)
  }
  return numbers
}

function within(value: number, min: number, max: number): boolean { return value >= min && value <= max }
function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-config', message) }
