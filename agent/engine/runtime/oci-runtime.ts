import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'

/** The program that makes containers, as it is called on this machine. */
export interface OciRuntime {
  readonly name: 'crun' | 'runc'
  /** A sealed copy of the program, good while this process lives (D-460). */
  readonly path: string
  /** A mount that the runtime must not see (D-211). */
  readonly hiddenMount: string | undefined
  /** What crun says after it became the container goes to the container's standard error in this format too: there it should be words. */
  readonly logFormat: 'text' | 'json'
  /** Takes a compiled seccomp filter from an annotation, and leaves the one it compiled beside its state. */
  readonly cachesSeccomp: boolean
}

/** Runtimes of this machine: that of containers which name none, and every one that a container can name. */
export interface OciRuntimes { readonly standard: OciRuntime; readonly byName: ReadonlyMap<string, OciRuntime> }

/** dockerd's own name for runc. */
const ALIASES: Readonly<Record<string, string>> = { 'io.containerd.runc.v2': 'runc' }

/**
 * The standard one is the first of `preferred` that is installed and works: crun, else runc.
 * @throws `no-oci-runtime` (failed-precondition)
 */
export async function chooseRuntimes(kernel: Kernel, preferred: readonly ('crun' | 'runc')[] = ['crun', 'runc']): Promise<OciRuntimes> {
  const byName = new Map<string, OciRuntime>()
  for (const name of new Set([...preferred, 'crun', 'runc'] as const)) {
    if (!await works(kernel, name)) continue
    byName.set(name, { name, path: kernel.processes.sealProgram(name), hiddenMount: name === 'crun' ? kernel.cgroups.hybridMount : undefined, cachesSeccomp: name === 'crun', logFormat: name === 'crun' ? 'text' : 'json' })
  }
  const standard = preferred.map(name => byName.get(name)).find(runtime => runtime !== undefined)
  if (standard === undefined) throw new ShoalError('failed-precondition', 'no-oci-runtime', `none of ${preferred.join(', ')} is installed; install the package crun`)
  for (const [alias, name] of Object.entries(ALIASES)) byName.set(alias, byName.get(name) ?? standard)
  return { standard, byName }
}

async function works(kernel: Kernel, name: string): Promise<boolean> {
  try {
    return (await kernel.processes.run([name, '--version'])).code === 0
  } catch (error) {
    if (hasCode(error, 'spawn-failed')) return false
    throw error
  }
}
