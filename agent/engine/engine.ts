import type { Duplex, Readable } from 'node:stream'
import type {
  ContainerConfig, ContainerInspectResponse, ContainerSummary, ContainerWaitResponse, DistributionInspect, EndpointSettings, EventMessage, FilesystemChange, HostConfig, ImageInspect, ImageSummary, Network,
  NetworkCreateRequest, NetworkingConfig, Volume, VolumeCreateOptions,
} from '../../src/api/engine/engine-json.ts'
import type { AttachOptions, ExecConfig, LogOptions, WaitCondition } from '../../src/api/engine/engine-calls.ts'
import type { BuildCacheRecord, BuildMessage, BuildRequest } from '../../src/api/engine/build-request.ts'
import type { OverlayTable } from '../../src/api/engine/overlay.ts'

/**
 * A container engine that has never heard of Swarm, in the Engine API's own shapes, so that HTTP routes and the swarm executor use it alike.
 * A `ref` is a full id, a name (with or without leading slash), or an id prefix that is unique.
 * Common errors: `no-such-container` (not-found: "No such container: X"), `no-such-image`, `no-such-network`, `no-such-volume`, `name-in-use` (conflict).
 */
export interface Engine extends AsyncDisposable {
  readonly containers: Containers
  readonly execs: Execs
  readonly images: Images
  readonly networks: Networks
  readonly volumes: Volumes
  readonly events: EngineEvents
  /** An engine may be without it. */
  readonly builder?: Builder
}

export type Filters = Readonly<Record<string, readonly string[]>>

export interface CreateContainerRequest {
  readonly name?: string
  readonly config: ContainerConfig
  readonly hostConfig?: HostConfig
  readonly networkingConfig?: NetworkingConfig
  /** "linux/arm64": the image must be for it. */
  readonly platform?: string
  /** As before API 1.44: a read-only bind says nothing of what is mounted below it. */
  readonly shallowReadOnly?: boolean
}

/**
 * A live connection to a container or exec. Reading: output, in Docker's 8-byte framing unless `tty`. Writing: standard input; end() half-closes it;
 * destroy() only detaches. The output ends when the process does.
 */
export interface Attachment { readonly tty: boolean; readonly stream: Duplex }

export interface Containers {
  create(request: CreateContainerRequest): Promise<{ readonly Id: string; readonly Warnings: readonly string[] }>
  /** Resolves when the process runs. Already running: ShoalError `already-started` (not-modified). */
  start(ref: string): Promise<void>
  /** Sends the stop signal, waits up to `timeoutSeconds` (default: the container's, then 10; -1: for ever), then kills. Not running: `already-stopped` (not-modified). */
  stop(ref: string, options?: { readonly signal?: string; readonly timeoutSeconds?: number }): Promise<void>
  restart(ref: string, options?: { readonly signal?: string; readonly timeoutSeconds?: number }): Promise<void>
  kill(ref: string, signal?: string): Promise<void>
  pause(ref: string): Promise<void>
  unpause(ref: string): Promise<void>
  rename(ref: string, name: string): Promise<void>
  resize(ref: string, size: { readonly height: number; readonly width: number }): Promise<void>
  remove(ref: string, options?: { readonly force?: boolean; readonly volumes?: boolean }): Promise<void>
  /** Ends a link on the default bridge, named as "linker/alias". */
  removeLink?(ref: string): Promise<void>
  inspect(ref: string, options?: { readonly size?: boolean }): Promise<ContainerInspectResponse>
  list(options: { readonly all?: boolean; readonly limit?: number; readonly size?: boolean; readonly filters?: Filters }): Promise<readonly ContainerSummary[]>
  /** Resolves as soon as the container is found and the wait is registered (so that an exit after that is not missed); `result` when the condition holds. */
  wait(ref: string, condition: WaitCondition, signal?: AbortSignal): Promise<{ readonly result: Promise<ContainerWaitResponse> }>
  /** The stream is framed unless `tty`. Destroying it ends following. */
  logs(ref: string, options: LogOptions): Promise<{ readonly tty: boolean; readonly stream: Readable }>
  attach(ref: string, options: AttachOptions): Promise<Attachment>
  top(ref: string, psArgs?: string): Promise<{ readonly Titles: readonly string[]; readonly Processes: readonly (readonly string[])[] }>
  /** One JSON object (ContainerStatsResponse) per value; one value only unless `stream`. */
  stats(ref: string, options: { readonly stream: boolean; readonly oneShot: boolean }, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>>
  prune(filters: Filters): Promise<{ readonly ContainersDeleted: readonly string[]; readonly SpaceReclaimed: number }>
  // What follows may be missing: the API then answers 501 (D-029).
  /** Changes limits and restart policy, also while it runs. */
  update?(ref: string, changes: Partial<HostConfig>): Promise<{ readonly Warnings: readonly string[] }>
  changes?(ref: string): Promise<readonly FilesystemChange[]>
  /** The whole file system as a tar. */
  export?(ref: string): Promise<Readable>
  statPath?(ref: string, path: string): Promise<PathStat>
  /** A file or directory as a tar, its entries named from the last element of `path`. */
  readArchive?(ref: string, path: string): Promise<{ readonly stat: PathStat; readonly stream: Readable }>
  /** Unpacks a tar (plain or compressed) into the directory `path`. */
  writeArchive?(ref: string, path: string, tar: Readable, options: { readonly noOverwriteDirNonDir: boolean; readonly copyUidGid: boolean }): Promise<void>
}

/** What `docker cp` asks of a path. */
export interface PathStat {
  readonly name: string
  readonly size: number
  /** Go's os.FileMode bits: permissions, and 1<<31 for a directory, 1<<27 for a symbolic link. */
  readonly mode: number
  /** RFC 3339 */
  readonly mtime: string
  readonly linkTarget: string
}

export interface Execs {
  create(containerRef: string, config: ExecConfig): Promise<{ readonly Id: string }>
  /** Starts it. Attached unless detached: then this resolves before the command starts, and a reason why it cannot comes as output. */
  start(id: string, options: { readonly detach: boolean; readonly tty: boolean; readonly size?: { readonly height: number; readonly width: number } }): Promise<Attachment | undefined>
  inspect(id: string): Promise<Readonly<Record<string, unknown>>>
  resize(id: string, size: { readonly height: number; readonly width: number }): Promise<void>
}

/** "os[/architecture[/variant]]": the image must be for it. */
export interface ForPlatform { readonly platform?: string }

export interface ImportOptions {
  readonly repository?: string
  readonly tag?: string
  readonly message?: string
  /** Default: this machine's. */
  readonly platform?: string
  /** Dockerfile instructions. */
  readonly changes: readonly string[]
}

export interface Images {
  /** @throws `no-such-image`, also when it is for another platform than asked */
  inspect(ref: string, options?: ForPlatform): Promise<ImageInspect>
  /** `sharedSize`: with the bytes of layers that other images have too, else -1. */
  list(options: { readonly all?: boolean; readonly filters?: Filters; readonly sharedSize?: boolean }): Promise<readonly ImageSummary[]>
  /** Bytes of all layers, each counted once. */
  layersBytes?(): Promise<number>
  history(ref: string, options?: ForPlatform): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Root filesystem tar (plain, gzip, …) to an image. `changes` are Dockerfile instructions (CMD, ENV, …). */
  import(tar: Readable, options: ImportOptions): Promise<{ readonly id: string }>
  /** `docker save` archive. Progress lines as the API streams them. @throws `malformed-image` (invalid-argument) */
  load(tar: Readable, options: { readonly quiet: boolean; /** Only images for this one. */ readonly platform?: string }, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>>
  save(refs: readonly string[], options?: ForPlatform): Promise<Readable>
  tag(ref: string, repository: string, tag: string): Promise<void>
  remove(ref: string, options: { readonly force: boolean; readonly prune: boolean }): Promise<readonly { readonly Untagged?: string; readonly Deleted?: string }[]>
  prune(filters: Filters): Promise<{ readonly ImagesDeleted: readonly { readonly Untagged?: string; readonly Deleted?: string }[]; readonly SpaceReclaimed: number }>
  // What follows may be missing: the API then answers 501 (D-029).
  pull?(request: { readonly reference: string; readonly platform?: string; readonly registryAuth?: string; readonly allTags: boolean }, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>>
  /** Imports from a URL. */
  importFrom?(url: string, options: ImportOptions, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>>
  push?(request: { readonly name: string; readonly tag?: string; readonly platform?: string; readonly registryAuth?: string }, signal?: AbortSignal): AsyncIterable<Readonly<Record<string, unknown>>>
  /** What the registry has under a name: digest and platforms. @throws `image-not-found`, `registry-denied`, `registry-unreachable` */
  distribution?(name: string, registryAuth: string | undefined, signal?: AbortSignal): Promise<DistributionInspect>
  /** Asks a registry's index of version 1 (docker search). */
  search?(request: { readonly term: string; readonly limit?: number; readonly filters: Filters; readonly registryAuth?: string }, signal?: AbortSignal): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Checks credentials against their registry. @throws `login-denied` (unauthenticated) */
  login?(credentials: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<{ readonly Status: string; readonly IdentityToken: string }>
  /** A new image from a container's file system and configuration. */
  commit?(request: {
    readonly container: string; readonly repository?: string; readonly tag?: string; readonly comment?: string; readonly author?: string; readonly pause: boolean
    readonly changes: readonly string[]; readonly config?: ContainerConfig
  }): Promise<{ readonly Id: string }>
}

/** `docker build` as the classic builder does it. */
export interface Builder {
  /**
   * Builds an image from a context (a tar, maybe compressed). What is wrong with the request, the context or the Dockerfile fails before the first message;
   * a command that fails is told in the last one. The signal cancels: nothing of the step that runs stays.
   * @throws `bad-dockerfile`, `no-dockerfile`, `malformed-archive`, `copy-failed`, `no-such-image` and more
   */
  build(request: BuildRequest, context: Readable, signal: AbortSignal): AsyncIterable<BuildMessage>
  /** Ends a build by the id that its request gave; none such is fine. */
  cancel(buildId: string): Promise<void>
  /** Removes the folders of RUN --mount=type=cache that no build uses. */
  prune(options: { readonly all: boolean; readonly keepBytes: number; readonly filters: Filters }): Promise<{ readonly CachesDeleted: readonly string[] | null; readonly SpaceReclaimed: number }>
  /** Those folders. */
  usage(): Promise<readonly BuildCacheRecord[]>
}

export interface Networks {
  create(request: NetworkCreateRequest): Promise<{ readonly Id: string; readonly Warning: string }>
  inspect(ref: string, options?: { readonly verbose?: boolean }): Promise<Network>
  list(filters?: Filters): Promise<readonly Network[]>
  remove(ref: string): Promise<void>
  connect(ref: string, containerRef: string, settings?: EndpointSettings): Promise<void>
  disconnect(ref: string, containerRef: string, force: boolean): Promise<void>
  prune(filters: Filters): Promise<{ readonly NetworksDeleted: readonly string[] }>
  /** Programs an overlay network, new or changed; resolves when the kernel has it. Older revisions than the applied one are ignored. */
  applyOverlay(table: OverlayTable): Promise<void>
  /** Takes an overlay network down. @throws `network-in-use` (conflict) while a container is attached */
  removeOverlay(networkId: string): Promise<void>
  /** networkId -> applied revision. */
  overlayRevisions(): ReadonlyMap<string, number>
}

export interface Volumes {
  create(options: VolumeCreateOptions): Promise<Volume>
  inspect(name: string): Promise<Volume>
  /** `size`: with UsageData. */
  list(filters?: Filters, options?: { readonly size?: boolean }): Promise<{ readonly Volumes: readonly Volume[]; readonly Warnings: readonly string[] }>
  remove(name: string, force: boolean): Promise<void>
  prune(filters: Filters): Promise<{ readonly VolumesDeleted: readonly string[]; readonly SpaceReclaimed: number }>
}

export interface EngineEvents {
  /** From now on, until the signal aborts. */
  subscribe(signal: AbortSignal): AsyncIterable<EventMessage>
  /** Those of the last minutes still in memory. */
  recent(): readonly EventMessage[]
}
