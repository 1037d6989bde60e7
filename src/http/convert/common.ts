import type { Draft } from '../../api/codec/codec.ts'
import type { GenericResources, ObjectVersion } from '../../api/engine/engine-json.ts'
import type { Driver as DriverJson, ResourceObject } from '../../api/engine/swarm-json.ts'
import type { Meta } from '../../api/swarm/objects.ts'
import type { Annotations, Driver, GenericResource, Resources } from '../../api/swarm/specs.ts'
import { some, timeText } from './json-value.ts'

export interface MetaJson { readonly Version: ObjectVersion; readonly CreatedAt: string; readonly UpdatedAt: string }

export function metaToJson(meta: Meta | undefined): MetaJson {
  return { Version: { Index: meta?.version ?? 0 }, CreatedAt: timeText(meta?.createdAtMs ?? 0), UpdatedAt: timeText(meta?.updatedAtMs ?? 0) }
}

/** Name and Labels; labels are always there, names only when given. */
export function annotationsToJson(annotations: Annotations | undefined): { readonly Name?: string; readonly Labels: Readonly<Record<string, string>> } {
  return { Name: some(annotations?.name), Labels: annotations?.labels ?? {} }
}

export function annotationsFromJson(json: { readonly Name?: string; readonly Labels?: Readonly<Record<string, string>> | null }): Draft<Annotations> {
  return { name: json.Name ?? '', labels: json.Labels ?? {} }
}

export function driverToJson(driver: Driver | undefined): DriverJson | undefined {
  return driver === undefined ? undefined : { Name: some(driver.name), Options: some(driver.options) }
}

export function driverFromJson(json: DriverJson | null | undefined): Draft<Driver> | undefined {
  return json === null || json === undefined ? undefined : { name: json.Name ?? '', options: json.Options ?? {} }
}

export function genericToJson(resources: readonly GenericResource[]): GenericResources | undefined {
  return some(resources.map(({ kind, named, discrete }) => named === undefined
    ? { DiscreteResourceSpec: { Kind: kind, Value: discrete ?? 0 } }
    : { NamedResourceSpec: { Kind: kind, Value: named } }))
}

export function genericFromJson(json: GenericResources | null | undefined): Draft<GenericResource>[] {
  return (json ?? []).flatMap(({ NamedResourceSpec: named, DiscreteResourceSpec: discrete }): Draft<GenericResource>[] => {
    if (named !== undefined) return [{ kind: named.Kind ?? '', named: named.Value ?? '' }]
    return discrete === undefined ? [] : [{ kind: discrete.Kind ?? '', discrete: discrete.Value ?? 0 }]
  })
}

export function resourcesToJson(resources: Resources): ResourceObject & { readonly Pids?: number } {
  return {
    NanoCPUs: some(resources.nanoCpus), MemoryBytes: some(resources.memoryBytes), Pids: some(resources.pids), GenericResources: genericToJson(resources.generic),
  }
}

export function resourcesFromJson(json: ResourceObject & { readonly Pids?: number }): Draft<Resources> {
  return { nanoCpus: json.NanoCPUs ?? 0, memoryBytes: json.MemoryBytes ?? 0, pids: json.Pids ?? 0, generic: genericFromJson(json.GenericResources) }
}
