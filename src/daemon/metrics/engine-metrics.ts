import { release } from 'node:os'
import type { LocalEngine } from '../../../agent/engine/local-engine.ts'
import type { Kernel } from '../../../agent/kernel/kernel.ts'
import { machineName, operatingSystem } from '../machine-facts.ts'
import { VERSION } from '../version.ts'
import { DaemonMetrics } from './daemon-metrics.ts'

/** The metrics of this engine on this host. */
export function createEngineMetrics(engine: LocalEngine, kernel: Kernel, engineId: string): DaemonMetrics {
  return new DaemonMetrics({
    states: async () => {
      const containers = await engine.containers.list({ all: true })
      const count = (...states: readonly string[]): number => containers.filter(({ State }) => states.includes(State ?? '')).length
      const [running, paused] = [count('running', 'restarting'), count('paused')]
      return { running, paused, stopped: containers.length - running - paused }
    },
    cpuCount: kernel.host.cpuCount, memoryBytes: kernel.host.memoryBytes, eventCount: () => engine.eventLog.count, eventSubscribers: () => engine.eventLog.subscriberCount,
    info: {
      architecture: machineName(), commit: '', daemon_id: engineId, graphdriver: 'overlay2', kernel: release(), os: operatingSystem('PRETTY_NAME'), os_type: 'linux', os_version: operatingSystem('VERSION_ID'), version: VERSION,
    },
  })
}
