import type { ImageStore, StoredImage } from '../image/image-store.ts'
import type { StageConfig } from './metadata.ts'
import { addStepImage, buildKeyOf } from './step-image.ts'

export interface CacheProbe { readonly parent: string; readonly stage: StageConfig; readonly createdBy: string }

/**
 * Results of earlier steps: images made here from the same image by the same step. With sources (--cache-from) only those that lead to one of them count,
 * and what their histories tell: such an image may have been built elsewhere.
 */
export class BuildCache {
  readonly #store: ImageStore
  readonly #architecture: string
  readonly #sources: readonly StoredImage[] | undefined

  constructor(store: ImageStore, architecture: string, cacheFrom: readonly string[]) {
    this.#store = store
    this.#architecture = architecture
    const sources = cacheFrom.map(ref => store.find(ref)).filter(image => image !== undefined)
    this.#sources = cacheFrom.length === 0 ? undefined : sources
  }

  /** Id of the image that the step would make. */
  async find(probe: CacheProbe): Promise<string | undefined> {
    const key = buildKeyOf(probe.createdBy, probe.stage)
    const local = this.#store.childrenOf(probe.parent).filter(image => image.origin.buildKey === key).sort((a, b) => Date.parse(b.file.created ?? '') - Date.parse(a.file.created ?? ''))
    const sources = this.#sources
    if (sources === undefined) return local[0]?.id
    return local.find(image => sources.some(source => this.#leadsTo(image, source)))?.id ?? this.#fromHistory(probe, sources)
  }

  #leadsTo(image: StoredImage, source: StoredImage): boolean {
    for (let at: StoredImage | undefined = source; at !== undefined; at = this.#store.find(at.origin.parent ?? '')) if (at.id === image.id) return true
    return false
  }

  async #fromHistory({ parent, stage, createdBy }: CacheProbe, sources: readonly StoredImage[]): Promise<string | undefined> {
    const before = parent === '' ? undefined : this.#store.get(parent)
    const past = before?.file.history ?? []
    for (const source of sources) {
      const history = source.file.history ?? []
      const next = history[past.length]
      const diffIds = before?.diffIds ?? []
      if (next?.created_by !== createdBy || !past.every((step, at) => JSON.stringify(step) === JSON.stringify(history[at])) || !diffIds.every((diffId, at) => source.diffIds[at] === diffId)) continue
      const diffId = next.empty_layer === true ? undefined : source.diffIds[diffIds.length]
      const image = await addStepImage(this.#store, this.#architecture, { parent, stage, createdBy, diffId, created: next.created ?? '1970-01-01T00:00:00Z' })
      return image.id
    }
    return undefined
  }
}
