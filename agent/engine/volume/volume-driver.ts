/** A volume as its driver knows it. */
export interface DriverVolume {
  readonly name: string
  /** Where it is on this host; empty while it is not mounted. */
  readonly mountpoint: string
  readonly createdAt?: string
  /** Whatever the driver tells of it, for docker volume inspect. */
  readonly status?: Readonly<Record<string, unknown>>
}

export type VolumeOptions = Readonly<Record<string, string>>

/** Who keeps volumes: the engine's own `local`, or a plugin behind a socket. */
export interface VolumeDriver {
  readonly name: string
  readonly scope: 'local' | 'global'
  /** @throws when it will not have these options; nothing is left behind */
  create(name: string, options: VolumeOptions): Promise<void>
  /** One that is not there is fine. */
  remove(name: string): Promise<void>
  find(name: string): Promise<DriverVolume | undefined>
  list(): Promise<readonly DriverVolume[]>
  /** Makes it usable and tells where. Each user (a container) mounts and unmounts by itself. */
  mount(name: string, options: VolumeOptions, user: string): Promise<string>
  unmount(name: string, options: VolumeOptions, user: string): Promise<void>
}
