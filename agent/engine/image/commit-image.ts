import type { Readable } from 'node:stream'
import type { ContainerConfig, ImageConfig } from '../../../src/api/engine/engine-json.ts'
import type { Images } from '../engine.ts'
import { applyChanges } from './dockerfile-changes.ts'
import type { ImageConfigFile } from './image-config.ts'
import type { ImageStore, StoredImage } from './image-store.ts'

export type CommitRequest = Parameters<NonNullable<Images['commit']>>[0]

/** What a new image is made of. */
export interface CommittedContainer {
  /** The image that the container was made from, if it is still there. */
  readonly imageId: string
  readonly diffIds: readonly string[]
  readonly config: ContainerConfig
  /** Its changes as a layer; undefined for none. */
  readonly layer: () => Promise<Readable | undefined>
  /** The configuration asked for, with what the container has where nothing is asked. */
  readonly merge: (asked: ContainerConfig) => ContainerConfig
}

/** Adds the image to the store, without a name. What was added is taken back when it fails. @throws `invalid-change`, `malformed-image` */
export async function commitImage(source: CommittedContainer, request: CommitRequest, target: { readonly store: ImageStore; readonly architecture: string; readonly created: string }): Promise<StoredImage> {
  const { store, created } = target
  const config = imageConfig(source.merge(applyChanges(imageConfig(request.config ?? {}), request.changes)))
  const tar = await source.layer()
  const layer = tar === undefined ? undefined : await store.layers.add(tar)
  const parent = store.find(source.imageId)?.file
  const step = {
    created, created_by: (source.config.Cmd ?? []).join(' '), ...(request.author === undefined || request.author === '' ? {} : { author: request.author }),
    ...(request.comment === undefined || request.comment === '' ? {} : { comment: request.comment }), ...(layer === undefined ? { empty_layer: true } : {}),
  }
  const file: ImageConfigFile = {
    architecture: parent?.architecture ?? target.architecture, os: 'linux', ...(parent?.variant === undefined ? {} : { variant: parent.variant }), created,
    author: request.author ?? '', comment: request.comment ?? '', config,
    rootfs: { type: 'layers', diff_ids: layer === undefined ? source.diffIds : [...source.diffIds, layer.diffId] },
    history: [...parent?.history ?? source.diffIds.map(() => ({ created })), step],
  }
  try {
    return await store.add(Buffer.from(JSON.stringify(file)), parent === undefined ? {} : { parent: source.imageId })
  } catch (error) {
    if (layer !== undefined) await store.dropLayers([layer.diffId])
    throw error
  }
}

/** The part of a container's configuration that an image has. */
function imageConfig(config: ContainerConfig): ImageConfig {
  const { User, ExposedPorts, Env, Entrypoint, Cmd, Healthcheck, Volumes, WorkingDir, Labels, OnBuild, StopSignal, Shell } = config
  const all = { User, ExposedPorts, Env, Entrypoint, Cmd, Healthcheck, Volumes, WorkingDir, Labels, OnBuild, StopSignal, Shell }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== null && value !== '')) as ImageConfig
}
