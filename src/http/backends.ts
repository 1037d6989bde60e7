import type { BuildBackend } from './routes/build.ts'
import type { ContainerFilesBackend } from './routes/container-files.ts'
import type { ContainersBackend } from './routes/containers.ts'
import type { ContainerStreamsBackend } from './routes/container-streams.ts'
import type { ControlBackend } from './routes/control-backend.ts'
import type { DistributionBackend } from './routes/distribution.ts'
import type { EventsBackend } from './routes/events.ts'
import type { ExecsBackend } from './routes/execs.ts'
import type { ImagesBackend } from './routes/images.ts'
import type { NetworksBackend } from './routes/networks.ts'
import type { RecoveryBackend } from './routes/swarm-recovery.ts'
import type { SwarmBackend } from './routes/swarm.ts'
import type { SystemBackend } from './routes/system.ts'
import type { VolumesBackend } from './routes/volumes.ts'

/** Everything behind the API. The engine's parts fit as they are (containers, execs, images, networks, volumes, events); the rest is made in src/daemon. */
export interface Backends {
  readonly system: SystemBackend
  readonly containers: ContainersBackend & ContainerStreamsBackend & ContainerFilesBackend
  readonly execs: ExecsBackend
  readonly images: ImagesBackend & DistributionBackend
  /** Without it building answers 501. */
  readonly builder?: BuildBackend
  readonly networks: NetworksBackend
  readonly volumes: VolumesBackend
  readonly events: EventsBackend
  /** This node's membership in a swarm. */
  readonly swarm: SwarmBackend
  /** Saving and restoring the swarm; without it there are no such endpoints. */
  readonly recovery?: RecoveryBackend
  /** The control service of the swarm's managers. */
  readonly control: ControlBackend
}
