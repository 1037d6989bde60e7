import type { Mount as EngineMount } from '../../src/api/engine/engine-json.ts'
import type { Mount } from '../../src/api/swarm/specs.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { expandTemplate, type TemplateContext } from '../../src/api/swarm/template.ts'

type Propagation = NonNullable<EngineMount['BindOptions']>['Propagation']

/** A task's mount in the Engine API's form. Source, target, volume labels and driver options are templates (M01). */
export function engineMount(mount: Mount, context: TemplateContext): EngineMount {
  if (mount.type === 'cluster' || mount.type === 'npipe') {
    throw new ShoalError('not-implemented', 'mount-type-not-supported', `mounts of type ${mount.type} are not supported: ${mount.target}`)
  }
  const expand = (text: string): string => expandTemplate(text, context)
  return {
    Type: mount.type, Source: expand(mount.source), Target: expand(mount.target), ReadOnly: mount.readOnly, Consistency: mount.consistency,
    ...bindOptions(mount), ...volumeOptions(mount, expand), ...tmpfsOptions(mount),
  }
}

function bindOptions({ bind }: Mount): Pick<EngineMount, 'BindOptions'> {
  if (bind === undefined) return {}
  return {
    BindOptions: {
      ...(bind.propagation === '' ? {} : { Propagation: bind.propagation as Propagation }),
      NonRecursive: bind.nonRecursive, CreateMountpoint: bind.createMountpoint,
      ReadOnlyNonRecursive: bind.readOnlyNonRecursive, ReadOnlyForceRecursive: bind.readOnlyForceRecursive,
    },
  }
}

function volumeOptions({ volume }: Mount, expand: (text: string) => string): Pick<EngineMount, 'VolumeOptions'> {
  if (volume === undefined) return {}
  const { driver } = volume
  return {
    VolumeOptions: {
      NoCopy: volume.noCopy, Labels: mapValues(volume.labels, expand), Subpath: volume.subpath,
      ...(driver === undefined ? {} : { DriverConfig: { Name: driver.name, Options: mapValues(driver.options, expand) } }),
    },
  }
}

function tmpfsOptions({ tmpfs }: Mount): Pick<EngineMount, 'TmpfsOptions'> {
  if (tmpfs === undefined) return {}
  return { TmpfsOptions: { SizeBytes: tmpfs.sizeBytes, Mode: tmpfs.mode, Options: tmpfs.options.map(option => option.split('=')) } }
}

function mapValues(map: Readonly<Record<string, string>>, change: (value: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]))
}
