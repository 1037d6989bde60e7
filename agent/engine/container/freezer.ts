import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'

const FREEZE_WAIT_MS = 10_000
const FREEZE_POLL_MS = 5

/** Stops every process of a cgroup; resolves when all have stopped. @throws `freeze-timeout` and thaws again */
export async function freeze(kernel: Kernel, cgroup: string, clock: Clock): Promise<void> {
  const { cgroups } = kernel
  const untilMs = clock.monotonicMs() + FREEZE_WAIT_MS
  set(kernel, cgroup, true)
  while (!isFrozen(kernel, cgroup)) {
    if (clock.monotonicMs() > untilMs) {
      thaw(kernel, cgroup)
      throw new ShoalError('deadline-exceeded', 'freeze-timeout', `the processes of cgroup ${cgroup} did not stop within ${FREEZE_WAIT_MS / 1000} s`)
    }
    await clock.sleep(FREEZE_POLL_MS)
    // Version 1 may need to be told again while processes fork.
    if (cgroups.version === 1) set(kernel, cgroup, true)
  }
}

export function isFrozen({ cgroups }: Kernel, cgroup: string): boolean {
  return cgroups.version === 1 ? cgroups.read(cgroup, 'freezer', 'freezer.state')?.trim() === 'FROZEN' : /^frozen 1$/m.test(cgroups.read(cgroup, 'freezer', 'cgroup.events') ?? '')
}

export function thaw(kernel: Kernel, cgroup: string): void { set(kernel, cgroup, false) }

function set(kernel: Kernel, cgroup: string, frozen: boolean): void {
  if (kernel.cgroups.version === 1) kernel.cgroups.write(cgroup, 'freezer', 'freezer.state', frozen ? 'FROZEN' : 'THAWED')
  else kernel.cgroups.write(cgroup, 'freezer', 'cgroup.freeze', frozen ? '1' : '0')
}
