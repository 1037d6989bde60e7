import type { ImageInspect, ImageSummary } from '../../../src/api/engine/engine-json.ts'
import type { Filters } from '../engine.ts'
import { booleanFilter, matchesLabels, untilMs } from '../filters.ts'
import { familiarKey } from './image-reference.ts'
import type { StoredImage } from './image-store.ts'

/** Who uses an image: ids of a running and of a stopped container, if any, and how many in all. */
export interface ImageUse { readonly running: string | undefined; readonly stopped: string | undefined; readonly count: number }

export const IMAGE_FILTERS: readonly string[] = ['before', 'dangling', 'label', 'reference', 'since', 'until']

/** `docker image inspect`. */
export function imageInspect(image: StoredImage, keys: readonly string[], graphDriver: ImageInspect['GraphDriver']): ImageInspect {
  const { file } = image
  return {
    Id: image.id, RepoTags: keys.map(familiarKey), RepoDigests: [], Parent: '', Comment: file.comment ?? file.history?.at(-1)?.comment ?? '', Created: file.created ?? '0001-01-01T00:00:00Z',
    DockerVersion: file.docker_version ?? '', Author: file.author ?? '',
    Config: { Cmd: null, Entrypoint: null, Env: null, Volumes: null, Labels: null, OnBuild: null, User: '', WorkingDir: '', ...file.config },
    Architecture: file.architecture ?? '', ...(file.variant === undefined ? {} : { Variant: file.variant }), Os: file.os ?? 'linux', Size: image.sizeBytes, GraphDriver: graphDriver,
    RootFS: { Type: 'layers', Layers: image.diffIds }, Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  }
}

/** One line of `docker images`. */
export function imageSummary(image: StoredImage, keys: readonly string[], use: ImageUse): ImageSummary {
  return {
    Id: image.id, ParentId: '', RepoTags: keys.length === 0 ? ['<none>:<none>'] : keys.map(familiarKey), RepoDigests: keys.length === 0 ? ['<none>@<none>'] : [],
    Created: Math.floor(Date.parse(image.file.created ?? '1970-01-01T00:00:00Z') / 1000), Size: image.sizeBytes, SharedSize: -1, Labels: image.file.config?.Labels ?? null, Containers: use.count,
  }
}

/** `docker history`, newest first. `sizes` are those of the layers, bottom first. */
export function imageHistory(image: StoredImage, keys: readonly string[], sizes: readonly number[]): readonly Readonly<Record<string, unknown>>[] {
  let layer = 0
  const steps = (image.file.history ?? []).map(step => ({
    Id: '<missing>', Created: Math.floor(Date.parse(step.created ?? '1970-01-01T00:00:00Z') / 1000), CreatedBy: step.created_by ?? '', Tags: null as readonly string[] | null,
    Size: step.empty_layer === true ? 0 : sizes[layer++] ?? 0, Comment: step.comment ?? '',
  })).reverse()
  const [newest, ...older] = steps
  return newest === undefined ? [] : [{ ...newest, Id: image.id, Tags: keys.length === 0 ? null : keys.map(familiarKey) }, ...older]
}

/** Whether `docker images --filter` shows it. */
export function imageMatches(image: StoredImage, keys: readonly string[], filters: Filters, limits: { readonly beforeMs: number | undefined; readonly sinceMs: number | undefined; readonly nowMs: number }): boolean {
  const created = Date.parse(image.file.created ?? '1970-01-01T00:00:00Z')
  const dangling = booleanFilter(filters, 'dangling')
  const until = filters['until']?.[0]
  const references = filters['reference'] ?? []
  return (dangling === undefined || dangling === (keys.length === 0))
    && matchesLabels(filters['label'], image.file.config?.Labels)
    && (limits.beforeMs === undefined || created < limits.beforeMs)
    && (limits.sinceMs === undefined || created > limits.sinceMs)
    && (until === undefined || created < untilMs(until, limits.nowMs))
    && (references.length === 0 || references.some(pattern => keys.map(familiarKey).some(name => matchesReference(pattern, name))))
}

/** A pattern without a tag matches every tag; * stays within one part of the path. */
function matchesReference(pattern: string, name: string): boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*').replaceAll('?', '[^/]')
  const repository = name.slice(0, name.lastIndexOf(':'))
  return new RegExp(`^${source}$`).test(name) || new RegExp(`^${source}$`).test(repository)
}
