import type { MappedFolders } from '../files/mapped-folders.ts'

/**
 * A container's root filesystem out of an image's layers. Real: OverlaySnapshotter, twin: CopySnapshotter (no privileges, slow).
 * Layers are directories that nobody changes; a snapshot is what one container writes on top.
 */
export interface Snapshotter {
  readonly driver: string
  /** Makes a snapshot over these layer directories (bottom first); durable. Again with the same id: no-op. */
  prepare(id: string, layers: readonly string[]): Promise<void>
  /** Makes its root filesystem visible and tells where; with the owners that `mapped` shows. Mounted already: no-op. @throws `too-many-layers`, `mount-failed` */
  mount(id: string, layers: readonly string[], mapped?: MappedFolders): Promise<string>
  /** Idempotent. A borrowed root filesystem stays until it is given back. */
  unmount(id: string): Promise<void>
  /** Makes the root filesystem visible for a look from outside, whether the container runs or not; disposing gives it back. `mapped` as the container's run would have it: both share one mount. */
  borrow(id: string, layers: readonly string[], mapped?: MappedFolders): Promise<BorrowedSnapshot>
  /** Unmounts and deletes; idempotent. */
  remove(id: string): Promise<void>
  /** Deletes all but these and unmounts what is not in `running`, after a crash. */
  retain(ids: ReadonlySet<string>, running: ReadonlySet<string>): Promise<void>
  /** Where a snapshot's own changes are, for docker inspect and sizes. */
  directories(id: string, layers: readonly string[]): Readonly<Record<string, string>>
  /** Bytes that the container wrote. */
  sizeBytes(id: string): Promise<number>
  /** The directory of what the container wrote, in the driver's own form; undefined when the driver keeps no such thing. */
  changesDirectory(id: string): string | undefined
}

export interface BorrowedSnapshot extends AsyncDisposable { readonly root: string }
