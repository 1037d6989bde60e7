import type { Draft } from '../../api/codec/codec.ts'
import type { Mount as MountJson } from '../../api/engine/engine-json.ts'
import type { Mount } from '../../api/swarm/specs.ts'
import { driverFromJson, driverToJson } from './common.ts'
import { some, wordOf } from './json-value.ts'

const TYPES = ['bind', 'volume', 'tmpfs', 'npipe', 'cluster', 'image'] as const
const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'] as const
const CONSISTENCIES = ['default', 'consistent', 'cached', 'delegated'] as const
type Propagation = NonNullable<NonNullable<MountJson['BindOptions']>['Propagation']>

export function mountToJson(mount: Mount): MountJson {
  const { bind, volume, tmpfs } = mount
  return {
    Type: mount.type, Source: some(mount.source), Target: some(mount.target), ReadOnly: some(mount.readOnly), Consistency: some(mount.consistency),
    BindOptions: bind === undefined ? undefined : {
      Propagation: some(bind.propagation) as Propagation | undefined, NonRecursive: some(bind.nonRecursive), CreateMountpoint: some(bind.createMountpoint),
      ReadOnlyNonRecursive: some(bind.readOnlyNonRecursive), ReadOnlyForceRecursive: some(bind.readOnlyForceRecursive),
    },
    VolumeOptions: volume === undefined ? undefined : {
      NoCopy: some(volume.noCopy), Labels: some(volume.labels), DriverConfig: driverToJson(volume.driver) as { Name?: string } | undefined, Subpath: some(volume.subpath),
    },
    TmpfsOptions: tmpfs === undefined ? undefined : {
      SizeBytes: some(tmpfs.sizeBytes), Mode: some(tmpfs.mode), Options: some(tmpfs.options.map(splitOption)),
    },
  }
}

/** @throws ShoalError `bad-parameter` for words Docker does not know */
export function mountFromJson(json: MountJson): Draft<Mount> {
  const { BindOptions: bind, VolumeOptions: volume, TmpfsOptions: tmpfs } = json
  const type = wordOf(json.Type ?? undefined, TYPES, 'invalid MountType:')
  return {
    // A missing type is a bind mount, because that is the zero of the enumeration.
    type: type ?? 'bind', source: json.Source ?? '', target: json.Target ?? '', readOnly: json.ReadOnly ?? false,
    consistency: wordOf(json.Consistency, CONSISTENCIES, 'invalid MountConsistency:') ?? '',
    bind: bind === undefined ? undefined : {
      propagation: wordOf(bind.Propagation ?? undefined, PROPAGATIONS, 'invalid MountBindPropagation:') ?? '', nonRecursive: bind.NonRecursive ?? false,
      createMountpoint: bind.CreateMountpoint ?? false, readOnlyNonRecursive: bind.ReadOnlyNonRecursive ?? false, readOnlyForceRecursive: bind.ReadOnlyForceRecursive ?? false,
    },
    volume: volume === undefined ? undefined : {
      noCopy: volume.NoCopy ?? false, labels: volume.Labels ?? {}, driver: driverFromJson(volume.DriverConfig), subpath: volume.Subpath ?? '',
    },
    tmpfs: tmpfs === undefined ? undefined : {
      sizeBytes: tmpfs.SizeBytes ?? 0, mode: tmpfs.Mode ?? 0, options: (tmpfs.Options ?? []).map(option => option.join('=')),
    },
  }
}

/** "size=64m" travels as ["size","64m"], a bare flag as a list of one. */
function splitOption(option: string): readonly string[] {
  const at = option.indexOf('=')
  return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)]
}
