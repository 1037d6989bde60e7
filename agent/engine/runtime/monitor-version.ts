import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { MONITOR_PROTOCOL } from '../../kernel/monitor-protocol.ts'

/**
 * Asks the monitor's program what it speaks: once at the start, instead of a failure of each container later.
 * @throws `no-monitor` (failed-precondition) when it is missing, cannot be run, or was built from other sources than this daemon
 */
export async function checkMonitor(kernel: Pick<Kernel, 'processes'>, path: string): Promise<void> {
  const answer = await ask(kernel, path)
  const protocol = /^shoal-monitor (\d+)$/.exec(answer ?? '')?.[1]
  if (protocol === String(MONITOR_PROTOCOL)) return
  const fault = answer === undefined ? 'is missing' : Number(protocol ?? 0) > MONITOR_PROTOCOL ? 'is newer than this daemon' : 'is older than this daemon'
  throw new ShoalError('failed-precondition', 'no-monitor', `shoal-monitor ${fault} (${path}): run "npm run build"`)
}

/** Monitors from before the question was known complain about the option: they answer with an empty text. */
async function ask({ processes }: Pick<Kernel, 'processes'>, path: string): Promise<string | undefined> {
  try {
    return (await processes.run([path, '--version'])).stdout.toString().trim()
  } catch (error) {
    if (hasCode(error, 'spawn-failed')) return undefined
    throw error
  }
}
