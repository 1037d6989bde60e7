import { existsSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { ShoalError } from '../base/errors.ts'

/** Says that a daemon runs. @throws ShoalError `already-running` when another live daemon wrote it */
export function claimPidFile(path: string): { release(): void } {
  if (existsSync(path)) {
    const pid = Number(readFileSync(path, 'utf8'))
    if (pid !== process.pid && isDaemon(pid)) throw new ShoalError('failed-precondition', 'already-running', `a daemon runs already with process id ${pid} (${path}); stop it first, or give this one another --pidfile, --data-root and --exec-root`)
  }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, String(process.pid))
  return { release: () => rmSync(path, { force: true }) }
}

/** The number may have gone to another program after a crash. */
function isDaemon(pid: number): boolean {
  return Number.isInteger(pid) && pid > 1 && existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('daemon')
}
