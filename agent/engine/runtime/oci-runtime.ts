import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'

/** The program that makes containers, as it is called on this machine. */
export interface OciRuntime {
  readonly name: 'crun' | 'runc'
  /** A sealed copy of the program, good while this process lives (D-460). */
  readonly path: string
  /** A mount that the runtime must not see (D-211). */
  readonly hiddenMount: string | undefined
  /** Takes a compiled seccomp filter from an annotation, and leaves the one it compiled beside its state. */
  readonly cachesSeccomp: boolean
}

/**
 * crun where it is installed and works, else runc.
 * @throws `no-oci-runtime` (failed-precondition)
 */
export async function chooseRuntime(kernel: Kernel, preferred: readonly ('crun' | 'runc')[] = ['crun', 'runc']): Promise<OciRuntime> {
  for (const name of preferred) {
    if (!await works(kernel, name)) continue
    return { name, path: kernel.processes.sealProgram(name), hiddenMount: name === 'crun' ? kernel.cgroups.hybridMount : undefined, cachesSeccomp: name === 'crun' }
  }
  throw new ShoalError('failed-precondition', 'no-oci-runtime', `none of ${preferred.join(', ')} is installed; install the package crun`)
}

async function works(kernel: Kernel, name: string): Promise<boolean> {
  try {
    return (await kernel.processes.run([name, '--version'])).code === 0
  } catch (error) {
    if (hasCode(error, 'spawn-failed')) return false
    throw error
  }
}
