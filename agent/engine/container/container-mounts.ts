import { normalize } from 'node:path'
import type { HostConfig, Mount } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { MountRestriction } from '../../kernel/kernel.ts'
import type { OciMount } from '../runtime/oci-spec.ts'
import { checkVolumeName } from '../volume/volume-name.ts'
import type { ContainerMount } from './container-record.ts'

/** A mount as asked for, before volumes are looked up. */
export type MountRequest =
  | { readonly kind: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean; readonly propagation: string; readonly createSource: boolean; readonly recursive: boolean; readonly mode: string
    /** How far read-only reaches: into every mount below, if the kernel can (the default); only the mount itself; or into all, or it fails. */
    readonly readOnlyReach?: 'only-itself' | 'all' }
  | { readonly kind: 'image'; readonly image: string; readonly target: string; readonly subpath?: string }
  | { readonly kind: 'volume'; readonly name: string | undefined; readonly target: string; readonly readOnly: boolean; readonly noCopy: boolean; readonly mode: string
    readonly driver: string; readonly options: Readonly<Record<string, string>>; readonly labels: Readonly<Record<string, string>>; readonly subpath?: string }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly readOnly: boolean; readonly options: readonly string[] }

const PROPAGATION = /^r?(private|shared|slave)$/
const MODE_KINDS: readonly RegExp[] = [/^r[ow]$/, /^[zZ]$/, PROPAGATION, /^(nocopy|copy)$/, /^(cached|delegated|consistent|default)$/]
const TMPFS_FLAG = /^(defaults|ro|rw|suid|nosuid|dev|nodev|exec|noexec|sync|async|dirsync|remount|mand|nomand|atime|noatime|diratime|nodiratime|bind|rbind|unbindable|runbindable|r?private|r?shared|r?slave|relatime|norelatime|strictatime|nostrictatime)$/
const TMPFS_DATA = /^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol)=/
/** Which options a type of mount takes. */
const OWN_OPTIONS: Readonly<Record<string, string>> = { bind: 'BindOptions', volume: 'VolumeOptions', tmpfs: 'TmpfsOptions', image: 'ImageOptions' }

/**
 * All mounts of a request: --volume, --mount, --tmpfs, and the image's volumes where nothing else stands.
 * @throws `invalid-mount` (invalid-argument), `duplicate-mount`
 */
export function mountRequests(host: HostConfig, volumes: readonly string[], shallowReadOnly = false): readonly MountRequest[] {
  const asked = [
    ...(host.Binds ?? []).map(bind => parseBind(bind, host.VolumeDriver ?? '')),
    ...(host.Mounts ?? []).map(fromMount),
    ...Object.entries(host.Tmpfs ?? {}).map(([target, options]) => tmpfs(target, options)),
  ]
  const bounded = shallowReadOnly ? asked.map(shallow) : asked
  const targets = new Set<string>()
  for (const { target } of asked) {
    if (targets.has(target)) throw new ShoalError('invalid-argument', 'duplicate-mount', `Duplicate mount point: ${target}`)
    targets.add(target)
  }
  const anonymous = volumes.map(clean).filter(target => !targets.has(target))
  return [...bounded, ...anonymous.map(target => volume({ target, name: undefined, driver: host.VolumeDriver ?? '' }))]
}

function shallow(mount: MountRequest): MountRequest {
  return mount.kind === 'bind' && mount.readOnly && mount.readOnlyReach === undefined ? { ...mount, readOnlyReach: 'only-itself' } : mount
}

function volume(given: { readonly target: string; readonly name: string | undefined; readonly driver: string; readonly readOnly?: boolean; readonly noCopy?: boolean; readonly mode?: string
  readonly options?: Readonly<Record<string, string>>; readonly labels?: Readonly<Record<string, string>>; readonly subpath?: string }): MountRequest {
  return { kind: 'volume', readOnly: false, noCopy: false, mode: '', options: {}, labels: {}, ...given }
}

/** "source:target[:options]", or a volume's target alone. */
export function parseBind(text: string, driver: string): MountRequest {
  const parts = text.split(':')
  const [source = '', target = '', mode = ''] = parts.length === 1 ? ['', parts[0], ''] : parts
  if (parts.length > 3 || target === '' || (parts.length > 1 && source === '')) throw invalid(`invalid volume specification: '${text}'`)
  checkTarget(target, `invalid volume specification: '${text}': invalid mount config for type "${source.startsWith('/') ? 'bind' : 'volume'}"`)
  const words = mode === '' ? [] : mode.split(',')
  if (!isMode(words)) throw invalid(`invalid mode: ${mode}`)
  const readOnly = words.includes('ro')
  if (!source.startsWith('/')) {
    if (source !== '') checkVolumeName(source)
    return volume({ name: source === '' ? undefined : source, target: clean(target), driver, readOnly, noCopy: words.includes('nocopy'), mode: mode === '' && source !== '' ? 'z' : mode })
  }
  return { kind: 'bind', source: clean(source), target: clean(target), readOnly, propagation: words.find(word => PROPAGATION.test(word)) ?? 'rprivate', createSource: true, recursive: true, mode }
}

function checkTarget(target: string, prefix: string): void {
  if (clean(target) === '/') throw invalid(`${prefix}: invalid specification: destination can't be '/'`)
  if (!target.startsWith('/')) throw invalid(`${prefix}: invalid mount path: '${target}' mount path must be absolute`)
}

/** Words that say how a bind or volume is mounted: at most one of each kind. */
function isMode(words: readonly string[]): boolean {
  const kinds = words.map(word => MODE_KINDS.findIndex(kind => kind.test(word)))
  return !kinds.includes(-1) && new Set(kinds).size === kinds.length
}

function fromMount(mount: Mount): MountRequest {
  const target = clean(mount.Target ?? '')
  if ((mount.Target ?? '') === '') throw invalid(`invalid mount config for type "${mount.Type}": field Target must not be empty`)
  checkTarget(mount.Target ?? '', `invalid mount config for type "${mount.Type}"`)
  const readOnly = mount.ReadOnly === true
  const source = mount.Source ?? ''
  for (const [type, key] of Object.entries(OWN_OPTIONS)) {
    const options = mount[key as keyof Mount]
    if (type !== mount.Type && mount.Type !== undefined && mount.Type !== null && mount.Type in OWN_OPTIONS && options !== undefined && options !== null) throw invalid(`invalid mount config for type "${mount.Type}": field ${key} must not be specified`)
  }
  switch (mount.Type) {
    case 'bind':
      if (!source.startsWith('/')) throw invalid(`invalid mount config for type "bind": ${source === '' ? 'field Source must not be empty' : `invalid mount path: '${source}' mount path must be absolute`}`)
      return bind(mount, { source: clean(source), target, readOnly })
    case 'volume':
      checkSubpath(mount.VolumeOptions?.Subpath ?? '', source)
      return volume({
        name: source === '' ? undefined : source, target, readOnly, noCopy: mount.VolumeOptions?.NoCopy === true, driver: mount.VolumeOptions?.DriverConfig?.Name ?? '',
        options: mount.VolumeOptions?.DriverConfig?.Options ?? {}, labels: mount.VolumeOptions?.Labels ?? {},
        ...(mount.VolumeOptions?.Subpath === undefined || mount.VolumeOptions.Subpath === '' ? {} : { subpath: mount.VolumeOptions.Subpath }), mode: 'z',
      })
    case 'tmpfs': {
      if (source !== '') throw invalid('invalid mount config for type "tmpfs": field Source must not be specified')
      const { SizeBytes: size = 0, Mode: mode = 0, Options: options } = mount.TmpfsOptions ?? {}
      const words = (options ?? []).map(pair => pair.join('='))
      for (const word of words) checkTmpfsOption(word)
      return { kind: 'tmpfs', target, readOnly, options: [...words, ...(size > 0 ? [`size=${size}`] : []), ...(mode > 0 ? [`mode=${mode.toString(8)}`] : [])] }
    }
    case 'image': {
      if (source === '') throw invalid('invalid mount config for type "image": field Source must not be empty')
      const subpath = mount.ImageOptions?.Subpath ?? ''
      return { kind: 'image', image: source, target, ...(subpath === '' ? {} : { subpath }) }
    }
    default:
      if (mount.Type === 'cluster' || mount.Type === 'npipe') throw new ShoalError('invalid-argument', 'unsupported-mount', `mount type ${mount.Type} is not supported; use bind, volume, tmpfs or image`)
      throw invalid(`invalid mount config for type "${mount.Type ?? ''}": mount type unknown`)
  }
}

function bind(mount: Mount, base: { readonly source: string; readonly target: string; readonly readOnly: boolean }): MountRequest {
  const { Propagation: propagation, CreateMountpoint: create, NonRecursive: nonRecursive, ReadOnlyNonRecursive: shallow, ReadOnlyForceRecursive: deep } = mount.BindOptions ?? {}
  const chosen = propagation === undefined || propagation === null ? 'rprivate' : propagation as string
  const wrong = (reason: string): ShoalError => invalid(`invalid mount config for type "bind": ${reason}`)
  if (chosen !== '' && !PROPAGATION.test(chosen)) throw wrong(`invalid propagation mode: ${chosen}`)
  if ((shallow === true || deep === true) && !base.readOnly) throw wrong(`mount source is not read-only, so BindOptions.${deep === true ? 'ReadOnlyForceRecursive' : 'ReadOnlyNonRecursive'} must not be set`)
  if (deep === true && (shallow === true || nonRecursive === true)) throw wrong('BindOptions.ReadOnlyForceRecursive contradicts a mount that is not recursive')
  if (deep === true && chosen !== 'rprivate') throw wrong(`BindOptions.ReadOnlyForceRecursive requires propagation rprivate, not ${chosen}`)
  const reach = deep === true ? { readOnlyReach: 'all' as const } : shallow === true ? { readOnlyReach: 'only-itself' as const } : {}
  return { kind: 'bind', ...base, propagation: chosen === '' ? 'rprivate' : chosen, createSource: create === true, recursive: nonRecursive !== true, mode: '', ...reach }
}

function checkTmpfsOption(word: string): void {
  if (!TMPFS_FLAG.test(word) && !TMPFS_DATA.test(word)) throw invalid(`invalid tmpfs option [${word.split('=').map(part => JSON.stringify(part)).join(' ')}]`)
}

function checkSubpath(subpath: string, source: string): void {
  if (subpath === '') return
  if (source === '') throw invalid('invalid mount config for type "volume": must not set Subpath when using anonymous volumes')
  if (subpath.startsWith('/') || /^\.\.(\/|$)/.test(normalize(subpath))) throw invalid('invalid mount config for type "volume": subpath must be a relative path within the volume')
}

function tmpfs(target: string, options: string): MountRequest {
  if (!target.startsWith('/')) throw invalid(`invalid mount path: '${target}' mount path must be absolute`)
  if (clean(target) === '/') throw invalid("invalid specification: destination can't be '/'")
  const words = options.split(',').filter(word => word !== '')
  for (const word of words) checkTmpfsOption(word)
  return { kind: 'tmpfs', target: clean(target), readOnly: words.includes('ro'), options: words.filter(word => word !== 'ro' && word !== 'rw') }
}

/** What is found at the host's side of a mount: what its mount there forbids, which holds in the container too; a directory rather than a file. */
export interface SourceFacts { readonly restrictions: readonly MountRestriction[]; readonly isDirectory: boolean }

/** For the runtime. `source` of a volume is where it is mounted on the host now. */
export function ociMount(mount: ContainerMount, source: string, facts: SourceFacts): OciMount {
  if (mount.Type === 'tmpfs') return { destination: mount.Destination, type: 'tmpfs', source: 'tmpfs', options: [...tmpfsOptions(mount.tmpfsOptions ?? []), mount.RW ? 'rw' : 'ro'] }
  const propagation = mount.Propagation === '' ? 'rprivate' : mount.Propagation
  // Read-only reaches into mounts below, unless they are to stay as they are.
  const deep = !mount.RW && facts.isDirectory && mount.recursive && mount.readOnlyReach !== 'only-itself' ? ['rro'] : []
  // crun makes binds anew with what it is told alone: nosuid, nodev, noexec and read-only of the host's mount would be gone (D-343).
  return { destination: mount.Destination, type: 'bind', source, options: [mount.recursive ? 'rbind' : 'bind', ...new Set([...facts.restrictions, ...(mount.RW ? [] : ['ro'])]), propagation, ...deep] }
}

/** No programs, devices or set-uid files unless the user says otherwise. */
function tmpfsOptions(options: readonly string[]): readonly string[] {
  const defaults = (['exec', 'suid', 'dev'] as const).filter(word => !options.includes(word)).map(word => `no${word}`)
  return [...defaults, ...options.filter(word => word !== 'defaults' && !defaults.includes(word))]
}

/** A path without doubled slashes, dots and a slash at the end. */
function clean(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return path.startsWith('/') ? `/${parts.join('/')}` : parts.join('/')
}

function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-mount', message) }
