import type { ContainersBackend } from './routes/containers.ts'
import type { ContainerStreamsBackend } from './routes/container-streams.ts'
import type { SystemBackend } from './routes/system.ts'

/** Everything behind the API. The engine's parts fit as they are; the rest is made in src/daemon. */
export interface Backends {
  readonly system: SystemBackend
  readonly containers: ContainersBackend & ContainerStreamsBackend
}
