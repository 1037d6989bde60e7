import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, type Lab } from '../../support/lab.ts'

const GONE_TIMEOUT_MS = 10_000

/** The daemon of a lab's host, to be killed at any moment, also while it comes up. */
export class CrashHost {
  readonly #lab: Lab
  readonly #host: number

  constructor(lab: Lab, host: number) {
    this.#lab = lab
    this.#host = host
  }

  async start(): Promise<void> { await this.#lab.start(this.#host) }

  /** kill -9; resolves when it is gone. False when there was none. */
  async kill(): Promise<boolean> {
    let wasThere = false
    await eventually('the killed daemon is gone', GONE_TIMEOUT_MS, async () => {
      // Looked for anew each time: one that is being started may come up between the look and the kill.
      const pids = this.#daemons()
      wasThere ||= pids.length > 0
      for (const pid of pids) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
        }
      }
      return pids.length === 0 ? true : undefined
    })
    return wasThere
  }

  /** Starts it and kills it so long after. */
  async killWhileStarting(afterMs: number): Promise<void> {
    const starting = this.start().then(() => true, () => false)
    await sleep(afterMs)
    await this.kill()
    // Where it was killed before it was there, or after it was up, this is what ends the start.
    if (await starting) await this.kill()
  }

  #daemons(): readonly number[] {
    const pidfile = `${this.#lab.folder}/h${this.#host}/shoal.pid`
    return readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number).filter(pid => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        return words.includes('daemon') && words.includes(pidfile) && !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
      } catch {
        return false // It ended meanwhile.
      }
    })
  }
}
