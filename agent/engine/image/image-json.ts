import type { ImageInspect, ImageSummary } from '../../../src/api/engine/engine-json.ts'
import type { Filters } from '../engine.ts'
import { booleanFilter, matchesLabels, untilMs } from '../filters.ts'
import { familiarKey } from './image-reference.ts'
import type { StoredImage } from './image-store.ts'

/** Who uses an image: ids of a running and of a stopped container, if any, and how many in all. */
export interface ImageUse { readonly running: string | undefined; readonly stopped: string | undefined; readonly count: number }

export const IMAGE_FILTERS: readonly string[] = ['before', 'dangling', 'label', 'reference', 'since', 'until']

/** `docker image inspect`. */
export function imageInspect(image: StoredImage, keys: readonly string[], digests: readonly string[], graphDriver: ImageInspect['GraphDriver']): ImageInspect {
  const { file } = image
  return {
    Id: image.id, RepoTags: keys.map(familiarKey), RepoDigests: digests.map(familiarKey), Parent: image.origin.parent ?? '', Comment: file.comment ?? file.history?.at(-1)?.comment ?? '', Created: file.created ?? '0001-01-01T00:00:00Z',
    DockerVersion: file.docker_version ?? '', Author: file.author ?? '',
    Config: { Cmd: null, Entrypoint: null, Env: null, Volumes: null, Labels: null, OnBuild: null, User: '', WorkingDir: '', ...file.config },
    Architecture: file.architecture ?? '', ...(file.variant === undefined ? {} : { Variant: file.variant }), Os: file.os ?? 'linux', Size: image.sizeBytes, GraphDriver: graphDriver,
    RootFS: { Type: 'layers', Layers: image.diffIds }, Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  }
}

/** One line of `docker images`. */
export function imageSummary(image: StoredImage, keys: readonly string[], digests: readonly string[], use: ImageUse): ImageSummary {
  return {
    Id: image.id, ParentId: image.origin.parent ?? '', ...shownNames(keys, digests),
    Created: Math.floor(Date.parse(image.file.created ?? '1970-01-01T00:00:00Z') / 1000), Size: image.sizeBytes, SharedSize: -1, Labels: image.file.config?.Labels ?? null, Containers: use.count,
  }
}

function shownNames(keys: readonly string[], digests: readonly string[]): Pick<ImageSummary, 'RepoTags' | 'RepoDigests'> {
  if (keys.length === 0 && digests.length === 0) return { RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] }
  return { RepoTags: keys.map(familiarKey), RepoDigests: digests.map(familiarKey) }
}

/** `docker history`, newest first. `sizes` are those of the layers, bottom first; `family` is the image and those it was made of here, youngest first. */
export function imageHistory(image: StoredImage, family: readonly { readonly id: string; readonly keys: readonly string[] }[], sizes: readonly number[]): readonly Readonly<Record<string, unknown>>[] {
  let layer = 0
  const steps = (image.file.history ?? []).map(step => ({
    Created: Math.floor(Date.parse(step.created ?? '1970-01-01T00:00:00Z') / 1000), CreatedBy: step.created_by ?? '',
    Size: step.empty_layer === true ? 0 : sizes[layer++] ?? 0, Comment: step.comment ?? '',
  })).reverse()
  return steps.map((step, at) => {
    const { id = '<missing>', keys = [] } = family[at] ?? {}
    return { Id: id, ...step, Tags: keys.length === 0 ? null : keys.map(familiarKey) }
  })
}

export interface MatchLimits { readonly beforeMs: number | undefined; readonly sinceMs: number | undefined; readonly nowMs: number }

/** Whether `docker images --filter` shows it; `names` are those that the filter "reference" leaves (namesMatching). */
export function imageMatches(image: StoredImage, names: ImageNames, filters: Filters, limits: MatchLimits): boolean {
  const created = Date.parse(image.file.created ?? '1970-01-01T00:00:00Z')
  const until = filters['until']?.[0]
  return isDanglingAsAsked(names, booleanFilter(filters, 'dangling'))
    && matchesLabels(filters['label'], image.file.config?.Labels) && !(filters['label!'] ?? []).some(label => matchesLabels([label], image.file.config?.Labels))
    && (limits.beforeMs === undefined || created < limits.beforeMs)
    && (limits.sinceMs === undefined || created > limits.sinceMs)
    && (until === undefined || created < untilMs(until, limits.nowMs))
    && (filters['reference'] === undefined || names.keys.length + names.digests.length > 0)
}

/** An image that only its digest names counts as dangling, but is shown among the others too: as dockerd has it. */
function isDanglingAsAsked({ keys, digests }: ImageNames, asked: boolean | undefined): boolean {
  if (asked === undefined) return true
  return asked ? keys.length === 0 : keys.length + digests.length > 0
}

/** Stored keys with tags and with digests. */
export interface ImageNames { readonly keys: readonly string[]; readonly digests: readonly string[] }

/** Those that one of the patterns names; all without patterns. */
export function namesMatching({ keys, digests }: ImageNames, patterns: readonly string[] | undefined): ImageNames {
  if (patterns === undefined || patterns.length === 0) return { keys, digests }
  const tests = patterns.map(patternTest)
  const matches = (key: string): boolean => tests.some(test => test(familiarKey(key)))
  return { keys: keys.filter(matches), digests: digests.filter(matches) }
}

/** Go's path.Match over the whole name or the repository alone: * and ? stay within one part of the path. @throws `invalid-filter` */
function patternTest(pattern: string): (name: string) => boolean {
  const source = pattern.replace(/\\(.)|(\[\^?(?:\\.|[^\]\\])+\])|[.+^${}()|[\]*?]/g, (character: string, escaped: string | undefined, set: string | undefined) => {
    if (escaped !== undefined) return `\\${escaped}`
    return set ?? ({ '*': '[^/]*', '?': '[^/]' }[character] ?? `\\${character}`)
  })
  const expression = new RegExp(`^${source}$`)
  return name => expression.test(name) || expression.test(name.includes('@') ? name.slice(0, name.indexOf('@')) : name.slice(0, name.lastIndexOf(':')))
}
