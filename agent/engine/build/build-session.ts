import type { BuildRequest } from '../../../src/api/engine/build-request.ts'
import type { Clock } from '../../../src/base/clock.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Containers, Images } from '../engine.ts'
import type { ImageStore } from '../image/image-store.ts'
import type { Snapshotter } from '../snapshot/snapshotter.ts'
import type { BuildArguments } from './build-arguments.ts'
import type { BuildCache } from './build-cache.ts'
import type { MappedFolders } from '../files/mapped-folders.ts'
import type { CacheMounts } from './cache-mounts.ts'

/** What a builder works with. */
export interface BuilderParts {
  readonly containers: Containers
  readonly images: Images
  readonly store: ImageStore
  readonly snapshotter: Snapshotter
  readonly kernel: Pick<Kernel, 'mounts' | 'processes'>
  readonly clock: Clock
  readonly random: Random
  /** "amd64" or "arm64". */
  readonly architecture: string
  /** The builder's own folder. */
  readonly root: string
  /** As what its containers see the engine's folders; undefined: as they are. */
  readonly mapped?: MappedFolders | undefined
}

/** What all steps of one build share. */
export interface BuildSession {
  readonly parts: BuilderParts
  readonly request: BuildRequest
  readonly caches: CacheMounts
  readonly cache: BuildCache
  readonly args: BuildArguments
  /** "\\" or "`" */
  readonly escape: string
  /** The files that the client sent. */
  readonly contextRoot: string
  /** The same, for mounts: a folder in which each step may make its own. */
  readonly scratch: string
  /** Begins the names of the build's containers and snapshots. */
  readonly token: string
  /** Ends the build. */
  readonly signal: AbortSignal
  /** A number that no other step of the build has. */
  next(): number
}

/** Directories of an image's layers, bottom first; none for ''. */
export function layersOf(store: ImageStore, imageId: string): readonly string[] {
  return imageId === '' ? [] : store.get(imageId).diffIds.map(diffId => store.layers.directory(diffId))
}
