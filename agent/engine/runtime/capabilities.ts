import { CAPABILITIES } from '../../kernel/capabilities.ts'
import { ShoalError } from '../../../src/base/errors.ts'

/** What a container has unless told otherwise. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FSETID', 'CAP_FOWNER', 'CAP_MKNOD', 'CAP_NET_RAW', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SETFCAP', 'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE', 'CAP_SYS_CHROOT', 'CAP_KILL', 'CAP_AUDIT_WRITE',
]

export interface CapabilityRequest { readonly add: readonly string[]; readonly drop: readonly string[]; readonly privileged: boolean }

/**
 * The capabilities a container gets, of those this machine has; `missing` are asked for but not to be had here, which is a warning and not a failure.
 * @throws `invalid-capability` (invalid-argument)
 */
export function chooseCapabilities(request: CapabilityRequest, available: ReadonlySet<string>): { readonly granted: readonly string[]; readonly missing: readonly string[] } {
  const add = request.add.map(name => normalize(name, 'CapAdd'))
  const drop = request.drop.map(name => normalize(name, 'CapDrop'))
  const wanted = request.privileged ? CAPABILITIES : choose(add, drop)
  // Privileged means "everything there is": what the machine lacks is not worth a warning then.
  const missing = request.privileged ? [] : wanted.filter(name => !available.has(name))
  return { granted: wanted.filter(name => available.has(name)), missing }
}

function choose(add: readonly string[], drop: readonly string[]): readonly string[] {
  const base = add.includes('ALL') ? CAPABILITIES : drop.includes('ALL') ? [] : DEFAULT_CAPABILITIES
  const dropped = new Set(drop)
  const kept = base.filter(name => !dropped.has(name))
  return [...kept, ...add.filter(name => name !== 'ALL' && !kept.includes(name))]
}

function normalize(name: string, list: string): string {
  const upper = name.toUpperCase()
  if (upper === 'ALL') return upper
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`
  if (CAPABILITIES.includes(full)) return full
  throw new ShoalError('invalid-argument', 'invalid-capability', `invalid ${list}: unknown capability: "${full}"`)
}
