import { ShoalError } from '../../../src/base/errors.ts'

export interface Platform { readonly os: string; readonly architecture: string; readonly variant?: string }

const ARCHITECTURES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map(Object.entries({
  x86_64: ['amd64'], 'x86-64': ['amd64'], aarch64: ['arm64'], armhf: ['arm', 'v7'], armel: ['arm', 'v6'], i386: ['386'], i486: ['386'], i586: ['386'], i686: ['386'],
} as const))
const NEWEST_ARM = 8
const SYSTEMS = ['linux', 'windows', 'darwin', 'freebsd', 'macos']
/** What may stand alone for its architecture. */
const KNOWN = ['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips', 'mips64', 'mips64le', 'mipsle', 'ppc64', 'ppc64le', 'riscv64', 's390x', 'wasm']

/** "linux/arm64/v8", "linux" or "arm64". @throws `invalid-platform` (invalid-argument) */
export function parsePlatform(text: string, own: Platform): Platform {
  const parts = text.toLowerCase().split('/')
  if (parts.length > 3) throw invalid(`${JSON.stringify(text)}: cannot parse platform specifier`)
  if (text.includes('*')) throw invalid(`${JSON.stringify(text)}: wildcards not yet supported`)
  const bad = parts.find(part => !/^[a-z0-9_.-]+$/.test(part))
  if (bad !== undefined) throw invalid(`${JSON.stringify(bad)} is an invalid component of ${JSON.stringify(text)}: platform specifier component must match "^[A-Za-z0-9_-]+$"`)
  const [first = '', second, variant] = parts
  if (second !== undefined) return normalized({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) })
  if (SYSTEMS.includes(first)) return { ...own, os: first }
  const alone = normalized({ os: own.os, architecture: first })
  if (!KNOWN.includes(alone.architecture)) throw invalid(`${JSON.stringify(text)}: unknown operating system or architecture`)
  return alone
}

export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(part => part !== undefined && part !== '').join('/')
}

function invalid(reason: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-platform', `${reason}: invalid argument`) }

/** The best of a list; the first of those that are equally good. Undefined when none will run. */
export function choosePlatform<T extends { readonly platform?: Platform }>(manifests: readonly T[], wanted: Platform): T | undefined {
  let best: { readonly manifest: T; readonly score: number } | undefined
  for (const manifest of manifests) {
    const score = manifest.platform === undefined ? -1 : fitness(normalized(manifest.platform), normalized(wanted))
    if (score >= 0 && score > (best?.score ?? -1)) best = { manifest, score }
  }
  return best?.manifest
}

/** Whether an image for `actual` is what `wanted` asks for. */
export function matchesPlatform(actual: Platform, wanted: Platform): boolean { return fitness(normalized(actual), normalized(wanted)) >= 0 }

/** Newer is better: an ARM v7 runs what was built for v6. Negative: it does not run. */
function fitness(actual: Platform, wanted: Platform): number {
  if (actual.os !== wanted.os || actual.architecture !== wanted.architecture) return -1
  if (actual.architecture !== 'arm') return (actual.variant ?? '') === (wanted.variant ?? '') ? 2 : (wanted.variant ?? '') === '' ? 1 : -1
  const [has, may] = [armVersion(actual.variant), armVersion(wanted.variant)]
  return has <= may ? has : -1
}

function armVersion(variant: string | undefined): number { return Number(/^v(\d+)$/.exec(variant ?? '')?.[1] ?? NEWEST_ARM - 1) }

function normalized({ os, architecture, variant }: Platform): Platform {
  const [known, knownVariant] = ARCHITECTURES.get(architecture) ?? [architecture]
  // v8 is what arm64 is, v1 what amd64 is.
  const own = variant ?? knownVariant ?? ''
  const plain = (known === 'arm64' && (own === 'v8' || own === '8')) || (known === 'amd64' && own === 'v1') ? '' : own
  return { os: os === 'macos' ? 'darwin' : os, architecture: known, ...(plain === '' ? {} : { variant: plain }) }
}
