import { ShoalError } from '../../src/base/errors.ts'

/** The task's process ended with a status other than 0, or was stopped because it was unhealthy (A09). */
export function taskExit(exitCode: number, cause: string): ShoalError {
  return new ShoalError('unknown', 'task-exited', cause === '' ? `task: non-zero exit (${exitCode})` : `task: non-zero exit (${exitCode}): ${cause}`)
}

export const UNHEALTHY = 'dockerexec: unhealthy container'
