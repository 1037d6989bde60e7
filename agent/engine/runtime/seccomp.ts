/** A profile whose rules may depend on capabilities and architecture. */
export interface SeccompProfile {
  readonly defaultAction: string
  readonly defaultErrnoRet?: number
  readonly archMap: Readonly<Record<string, readonly string[]>>
  readonly syscalls: readonly SeccompRule[]
}

export interface SeccompRule {
  readonly names: readonly string[]
  readonly action: string
  readonly errnoRet?: number
  readonly args?: readonly { readonly index: number; readonly value: number; readonly valueTwo?: number; readonly op: string }[]
  /** Holds with any of these. */
  readonly capabilities?: readonly string[]
  readonly withoutCapability?: string
  readonly arches?: readonly string[]
  /** Only for names that no rule above allows. */
  readonly unlessAllowed?: boolean
}

/** linux.seccomp of the OCI runtime specification. */
export interface OciSeccomp {
  readonly defaultAction: string
  readonly defaultErrnoRet?: number
  readonly architectures?: readonly string[]
  readonly syscalls?: readonly Readonly<Record<string, unknown>>[]
}

/** The profile for a container with these capabilities on this architecture ("amd64", "arm64"). */
export function resolveSeccomp(profile: SeccompProfile, capabilities: readonly string[], architecture: string): OciSeccomp {
  const has = new Set(capabilities)
  const rules = profile.syscalls.filter(rule => applies(rule, has, architecture))
  const allowed = new Set(rules.filter(rule => rule.unlessAllowed !== true).flatMap(rule => rule.names))
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: profile.archMap[architecture] ?? [],
    syscalls: rules.map(({ names, action, errnoRet, args, unlessAllowed }) => ({
      names: unlessAllowed === true ? names.filter(name => !allowed.has(name)) : names, action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args === undefined ? {} : { args }),
    })),
  }
}

function applies(rule: SeccompRule, capabilities: ReadonlySet<string>, architecture: string): boolean {
  if (rule.arches !== undefined && !rule.arches.includes(architecture)) return false
  if (rule.withoutCapability !== undefined && capabilities.has(rule.withoutCapability)) return false
  return rule.capabilities === undefined || rule.capabilities.some(name => capabilities.has(name))
}

/** A profile file in Docker's format (--security-opt seccomp=FILE sends its text), resolved; a plain OCI one passes through. */
export function resolveCustomSeccomp(text: string, capabilities: readonly string[], architecture: string): OciSeccomp {
  const profile = JSON.parse(text) as CustomProfile
  const has = new Set(capabilities)
  const map = profile.archMap?.find(entry => entry.architecture === OCI_ARCH[architecture])
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: profile.architectures ?? (map === undefined ? [] : [map.architecture, ...map.subArchitectures ?? []]),
    syscalls: (profile.syscalls ?? []).filter(rule => customApplies(rule, has, architecture)).map(rule => ({
      names: rule.names ?? [rule.name ?? ''], action: rule.action,
      ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
      ...(rule.args === undefined || rule.args === null ? {} : { args: rule.args }),
    })),
  }
}

const OCI_ARCH: Readonly<Record<string, string>> = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' }

interface Condition { readonly caps?: readonly string[]; readonly arches?: readonly string[]; readonly minKernel?: string }
interface CustomRule {
  readonly names?: readonly string[]; readonly name?: string; readonly action: string; readonly errnoRet?: number
  readonly args?: readonly unknown[] | null; readonly includes?: Condition; readonly excludes?: Condition
}
interface CustomProfile {
  readonly defaultAction: string; readonly defaultErrnoRet?: number; readonly architectures?: readonly string[]
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] }[]
  readonly syscalls?: readonly CustomRule[]
}

/** Kernel versions in conditions are all older than any that this engine runs on. */
function customApplies(rule: CustomRule, capabilities: ReadonlySet<string>, architecture: string): boolean {
  const { includes = {}, excludes = {} } = rule
  if (includes.arches !== undefined && includes.arches.length > 0 && !includes.arches.includes(architecture)) return false
  if (includes.caps !== undefined && includes.caps.length > 0 && !includes.caps.every(name => capabilities.has(name))) return false
  if (excludes.arches?.includes(architecture) === true) return false
  return !(excludes.caps ?? []).some(name => capabilities.has(name))
}
