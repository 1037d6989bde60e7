import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ShoalError } from '../../../src/base/errors.ts'
import { mapText } from '../id-mapping.ts'
import type { KernelProcesses } from '../kernel.ts'
import type { UserNamespace } from '../netns.ts'

/** The monitor, whose second trade it is to hold namespaces. */
const HOLDER = fileURLToPath(new URL('../../../../agent/monitor/shoal-monitor', import.meta.url))

/** User namespaces by way of a process that holds one for a moment: a process with threads, as this one is, cannot make or enter any. */
export class UserNamespaces {
  readonly #processes: Pick<KernelProcesses, 'spawnMonitor'>

  constructor(processes: Pick<KernelProcesses, 'spawnMonitor'>) { this.#processes = processes }

  /**
   * Makes a user namespace, or joins one, and a network namespace that it owns. `work` gets the process in both; they go with it unless `work` keeps hold of them.
   * @throws `userns-failed`
   */
  async make<T>({ ids, join }: UserNamespace, work: (pid: number) => T): Promise<T> {
    const { pid, control } = this.#processes.spawnMonitor([HOLDER, '--namespaces', ...(join === undefined ? [] : [join])], { stderrPath: '/dev/null' })
    try {
      const isThere = await new Promise<boolean>(resolve => {
        control.once('data', () => resolve(true))
        for (const end of ['close', 'error']) control.once(end, () => resolve(false))
      })
      if (!isThere) throw new ShoalError('failed-precondition', 'userns-failed', `cannot ${join === undefined ? 'make' : 'join'} a user namespace; look at /proc/sys/user/max_user_namespaces and max_net_namespaces`)
      if (join === undefined) {
        writeFileSync(`/proc/${pid}/uid_map`, mapText(ids.uids))
        writeFileSync(`/proc/${pid}/gid_map`, mapText(ids.gids))
      }
      return work(pid)
    } finally {
      control.destroy()
    }
  }
}
