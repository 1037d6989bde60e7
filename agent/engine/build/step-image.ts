import { createHash } from 'node:crypto'
import type { ImageConfigFile } from '../image/image-config.ts'
import type { ImageStore, StoredImage } from '../image/image-store.ts'
import type { StageConfig } from './metadata.ts'

/** What one step made of an image. */
export interface StepResult {
  /** Id of the image before it; '' for none. */
  readonly parent: string
  readonly stage: StageConfig
  /** For the history. */
  readonly createdBy: string
  /** Digest of the layer that it added. */
  readonly diffId: string | undefined
  /** RFC 3339 */
  readonly created: string
}

/** What decides, together with the image before, whether a step would do the same again. */
export function buildKeyOf(createdBy: string, stage: StageConfig): string {
  return createHash('sha256').update(JSON.stringify([createdBy, stage.author, sorted(stage.config)])).digest('hex')
}

/** Adds the image of a step to the store, without a name. */
export async function addStepImage(store: ImageStore, architecture: string, { parent, stage, createdBy, diffId, created }: StepResult): Promise<StoredImage> {
  const before = parent === '' ? undefined : store.get(parent)
  const file: ImageConfigFile = {
    architecture: before?.file.architecture ?? architecture, os: 'linux', ...(before?.file.variant === undefined ? {} : { variant: before.file.variant }), created,
    ...(stage.author === '' ? {} : { author: stage.author }), config: stage.config,
    rootfs: { type: 'layers', diff_ids: [...before?.diffIds ?? [], ...(diffId === undefined ? [] : [diffId])] },
    history: [...before?.file.history ?? before?.diffIds.map(() => ({ created })) ?? [], { created, created_by: createdBy, ...(stage.author === '' ? {} : { author: stage.author }), ...(diffId === undefined ? { empty_layer: true } : {}) }],
  }
  return store.add(Buffer.from(JSON.stringify(file)), { parent, buildKey: buildKeyOf(createdBy, stage) })
}

/** The same whatever the order of keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).filter(([, each]) => each !== undefined).sort(([a], [b]) => a < b ? -1 : 1).map(([key, each]) => [key, sorted(each)])
}
