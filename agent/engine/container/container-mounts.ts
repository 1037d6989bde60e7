import type { HostConfig, Mount } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { OciMount } from '../runtime/oci-spec.ts'
import type { ContainerMount } from './container-record.ts'

/** A mount as asked for, before volumes are looked up. */
export type MountRequest =
  | { readonly kind: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean; readonly propagation: string; readonly createSource: boolean; readonly recursive: boolean; readonly mode: string }
  | { readonly kind: 'volume'; readonly name: string | undefined; readonly target: string; readonly readOnly: boolean; readonly noCopy: boolean; readonly mode: string
    readonly driver: string; readonly options: Readonly<Record<string, string>>; readonly labels: Readonly<Record<string, string>>; readonly subpath?: string }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly readOnly: boolean; readonly options: readonly string[] }

const PROPAGATION = /^r?(private|shared|slave)$/
const IGNORED = /^(z|Z|cached|delegated|consistent|rw|ro|nocopy|volume-nocopy|copy)$/

/**
 * All mounts of a request: --volume, --mount, --tmpfs, and the image's volumes where nothing else stands.
 * @throws `invalid-mount` (invalid-argument), `duplicate-mount`
 */
export function mountRequests(host: HostConfig, volumes: readonly string[]): readonly MountRequest[] {
  const asked = [
    ...(host.Binds ?? []).map(bind => parseBind(bind, host.VolumeDriver ?? '')),
    ...(host.Mounts ?? []).map(fromMount),
    ...Object.entries(host.Tmpfs ?? {}).map(([target, options]) => tmpfs(target, options)),
  ]
  const targets = new Set<string>()
  for (const { target } of asked) {
    if (targets.has(target)) throw new ShoalError('invalid-argument', 'duplicate-mount', `Duplicate mount point: ${target}`)
    targets.add(target)
  }
  const anonymous = volumes.map(clean).filter(target => !targets.has(target))
  return [...asked, ...anonymous.map(target => volume({ target, name: undefined, driver: host.VolumeDriver ?? '' }))]
}

function volume(given: { readonly target: string; readonly name: string | undefined; readonly driver: string; readonly readOnly?: boolean; readonly noCopy?: boolean; readonly mode?: string
  readonly options?: Readonly<Record<string, string>>; readonly labels?: Readonly<Record<string, string>>; readonly subpath?: string }): MountRequest {
  return { kind: 'volume', readOnly: false, noCopy: false, mode: '', options: {}, labels: {}, ...given, driver: given.driver === '' ? 'local' : given.driver }
}

/** "source:target[:options]", or a volume's target alone. */
export function parseBind(text: string, driver: string): MountRequest {
  const parts = text.split(':')
  const [source = '', target = '', mode = ''] = parts.length === 1 ? ['', parts[0], ''] : parts
  if (parts.length > 3 || target === '' || (parts.length > 1 && source === '')) throw invalid(`invalid volume specification: '${text}'`)
  if (!target.startsWith('/')) throw invalid(`invalid volume specification: '${text}': invalid mount config: mount path must be absolute`)
  if (clean(target) === '/') throw invalid(`invalid volume specification: '${text}': destination can't be '/'`)
  const words = mode === '' ? [] : mode.split(',')
  const unknown = words.find(word => !IGNORED.test(word) && !PROPAGATION.test(word))
  if (unknown !== undefined) throw invalid(`invalid volume specification: '${text}': invalid mode: ${unknown}`)
  const readOnly = words.includes('ro')
  if (!source.startsWith('/')) {
    if (source !== '' && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(source)) throw invalid(`create ${source}: ${JSON.stringify(source)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`)
    return volume({ name: source === '' ? undefined : source, target: clean(target), driver, readOnly, noCopy: words.includes('nocopy'), mode })
  }
  return { kind: 'bind', source: clean(source), target: clean(target), readOnly, propagation: words.find(word => PROPAGATION.test(word)) ?? 'rprivate', createSource: true, recursive: true, mode }
}

function fromMount(mount: Mount): MountRequest {
  const target = clean(mount.Target ?? '')
  if (!target.startsWith('/') || target === '/') throw invalid(`invalid mount config for type "${mount.Type}": ${target === '' || target === '.' ? 'field Target must not be empty' : `mount path must be absolute and not /: ${target}`}`)
  const readOnly = mount.ReadOnly === true
  const source = mount.Source ?? ''
  switch (mount.Type) {
    case 'bind':
      if (!source.startsWith('/')) throw invalid(`invalid mount config for type "bind": ${source === '' ? 'field Source must not be empty' : `invalid mount path: '${source}' mount path must be absolute`}`)
      return {
        kind: 'bind', source: clean(source), target, readOnly, propagation: mount.BindOptions?.Propagation ?? 'rprivate',
        createSource: mount.BindOptions?.CreateMountpoint === true, recursive: mount.BindOptions?.NonRecursive !== true, mode: '',
      }
    case 'volume':
      return volume({
        name: source === '' ? undefined : source, target, readOnly, noCopy: mount.VolumeOptions?.NoCopy === true, driver: mount.VolumeOptions?.DriverConfig?.Name ?? '',
        options: mount.VolumeOptions?.DriverConfig?.Options ?? {}, labels: mount.VolumeOptions?.Labels ?? {},
        ...(mount.VolumeOptions?.Subpath === undefined || mount.VolumeOptions.Subpath === '' ? {} : { subpath: mount.VolumeOptions.Subpath }), mode: 'z',
      })
    case 'tmpfs': {
      const { SizeBytes: size = 0, Mode: mode = 0 } = mount.TmpfsOptions ?? {}
      return { kind: 'tmpfs', target, readOnly, options: [...(size > 0 ? [`size=${size}`] : []), ...(mode > 0 ? [`mode=${mode.toString(8)}`] : [])] }
    }
    default: throw new ShoalError('invalid-argument', 'unsupported-mount', `mount type ${mount.Type ?? ''} is not supported; use bind, volume or tmpfs`)
  }
}

function tmpfs(target: string, options: string): MountRequest {
  if (!target.startsWith('/')) throw invalid(`invalid tmpfs target ${target}: it must be absolute`)
  const words = options.split(',').filter(word => word !== '')
  return { kind: 'tmpfs', target: clean(target), readOnly: words.includes('ro'), options: words.filter(word => word !== 'ro' && word !== 'rw') }
}

/** For the runtime. `source` of a volume is where it is mounted on the host now. */
export function ociMount(mount: ContainerMount, source: string): OciMount {
  const access = mount.RW ? 'rw' : 'ro'
  if (mount.Type === 'tmpfs') return { destination: mount.Destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', ...tmpfsDefaults(mount.tmpfsOptions ?? []), access] }
  const propagation = mount.Propagation === '' ? 'rprivate' : mount.Propagation
  return { destination: mount.Destination, type: 'bind', source, options: [mount.recursive ? 'rbind' : 'bind', access, propagation] }
}

/** noexec unless the user says otherwise, as --tmpfs does. */
function tmpfsDefaults(options: readonly string[]): readonly string[] {
  const own = options.filter(word => word !== 'exec' && word !== 'noexec' && word !== 'suid' && word !== 'dev')
  return [options.includes('exec') ? 'exec' : 'noexec', ...own]
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
