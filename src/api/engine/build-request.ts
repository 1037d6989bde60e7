import type { HostConfig } from './engine-json.ts'

/** What POST /build asks for; the context comes beside it. */
export interface BuildRequest {
  /** Path in the context; default "Dockerfile". */
  readonly dockerfile: string
  /** Names for the result, "name" or "name:tag". */
  readonly tags: readonly string[]
  /** A Dockerfile or a tar to fetch, instead of the context that was sent. */
  readonly remote?: string
  /** Only the id of the result is told, or all if it fails. */
  readonly quiet: boolean
  readonly noCache: boolean
  readonly cacheFrom: readonly string[]
  /** Ask registries for newer base images. */
  readonly pull: boolean
  /** Remove the containers of steps that went well. */
  readonly removeContainers: boolean
  /** … and of the one that failed. */
  readonly alwaysRemoveContainers: boolean
  /** name -> value; undefined when the client has none. */
  readonly buildArgs: Readonly<Record<string, string | undefined>>
  readonly labels: Readonly<Record<string, string>>
  /** Stage to stop at, by name or number; '' for the last. */
  readonly target: string
  /** "linux/amd64" or ''. */
  readonly platform: string
  /** Limits, network, extra hosts, … of the containers that RUN makes. */
  readonly hostConfig: Partial<HostConfig>
  /** Registry -> credentials as X-Registry-Auth has them (base64url of JSON). */
  readonly registryAuth: Readonly<Record<string, string>>
  /** id -> contents, for RUN --mount=type=secret. */
  readonly secrets: ReadonlyMap<string, Uint8Array>
  /** With it the build can be cancelled; '' for none. */
  readonly buildId: string
}

/** One line of what a build tells: `stream`, `aux`, `status`, or `error` with `errorDetail` as the last. */
export type BuildMessage = Readonly<Record<string, unknown>>

/** One folder of RUN --mount=type=cache, as `docker system df -v` lists it. */
export interface BuildCacheRecord {
  readonly ID: string
  readonly Type: string
  readonly Description: string
  readonly InUse: boolean
  readonly Shared: boolean
  readonly Size: number
  /** RFC 3339 */
  readonly CreatedAt: string
  readonly LastUsedAt: string
  readonly UsageCount: number
}
