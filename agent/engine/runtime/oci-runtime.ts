import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'

/** The program that makes containers, as it is called on this machine. */
export interface OciRuntime {
  readonly name: 'crun' | 'runc'
  readonly path: string
  /** A mount that the runtime must not see (D-211). */
  readonly hiddenMount: string | undefined
  /** Takes a compiled seccomp filter from an annotation, and leaves the one it compiled beside its state. */
  readonly cachesSeccomp: boolean
}

const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/**
 * crun where it is installed and works, else runc.
 * @throws `no-oci-runtime` (failed-precondition)
 */
export async function chooseRuntime(kernel: Kernel, preferred: readonly ('crun' | 'runc')[] = ['crun', 'runc']): Promise<OciRuntime> {
  for (const name of preferred) {
    const path = DIRECTORIES.map(directory => join(directory, name)).find(existsSync)
    if (path === undefined || (await kernel.processes.run([path, '--version'])).code !== 0) continue
    return { name, path, hiddenMount: name === 'crun' ? kernel.cgroups.hybridMount : undefined, cachesSeccomp: name === 'crun' }
  }
  throw new ShoalError('failed-precondition', 'no-oci-runtime', `found none of ${preferred.join(', ')} in ${DIRECTORIES.join(':')}; install the package crun`)
}
