import { ShoalError } from '../../../src/base/errors.ts'
import { DEFAULT_SECCOMP_PROFILE } from './seccomp-profile.ts'
import { resolveCustomSeccomp, resolveSeccomp, type OciSeccomp } from './seccomp.ts'

/** What HostConfig.SecurityOpt asks for. */
export interface SecurityOptions {
  /** "" for the built-in profile, "unconfined", or a profile's text. */
  readonly seccomp: string
  readonly noNewPrivileges: boolean
  /** Undefined: for privileged containers only. */
  readonly writableCgroups: boolean | undefined
  /** A profile that is loaded in the kernel; "" for none. Counts only where AppArmor is on. */
  readonly appArmor: string
}

const TRUE = /^(|1|t|T|TRUE|true|True)$/
const FALSE = /^(0|f|F|FALSE|false|False)$/

/**
 * Options are "key", "key=value" or, of old, "key:value". SELinux labels are taken and mean nothing: there is no policy where this engine runs.
 * @throws `invalid-security-option` (invalid-argument)
 */
export function securityOptions(options: readonly string[]): SecurityOptions {
  let result: SecurityOptions = { seccomp: '', noNewPrivileges: false, writableCgroups: undefined, appArmor: '' }
  for (const option of options) {
    const [, key = '', separator, value = ''] = /^([^=:]+)([=:])?([\s\S]*)$/.exec(option) ?? []
    const switched = (): boolean => {
      if (!TRUE.test(value) && !FALSE.test(value)) throw invalid(option, 2)
      return TRUE.test(value)
    }
    if (key === 'no-new-privileges') result = { ...result, noNewPrivileges: switched() }
    else if (separator === undefined) { if (key !== 'disable') throw invalid(option, 1) }
    else if (key === 'seccomp') result = { ...result, seccomp: value }
    else if (key === 'apparmor') result = { ...result, appArmor: value === 'unconfined' ? '' : value }
    else if (key === 'writable-cgroups') result = { ...result, writableCgroups: switched() }
    else if (key !== 'label') throw invalid(option, 2)
  }
  return result
}

/** The filter of a container with these capabilities; undefined for none. @throws `invalid-security-option` (invalid-argument) */
export function seccompOf(profile: string, capabilities: readonly string[], architecture: string): OciSeccomp | undefined {
  if (profile === 'unconfined') return undefined
  if (profile === '' || profile === 'builtin' || profile === 'default') return resolveSeccomp(DEFAULT_SECCOMP_PROFILE, capabilities, architecture)
  try {
    return resolveCustomSeccomp(profile, capabilities, architecture)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'invalid-security-option', `Decoding seccomp profile failed: ${cause instanceof Error ? cause.message : 'it is not JSON'}`, { cause })
  }
}

function invalid(option: string, parts: number): ShoalError { return new ShoalError('invalid-argument', 'invalid-security-option', `invalid --security-opt ${parts}: "${option}"`) }
