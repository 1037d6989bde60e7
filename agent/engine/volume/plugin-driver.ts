import { isAbsolute } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'
import { LIST_MS, type PluginClient } from './plugin-client.ts'
import type { DriverVolume, VolumeDriver, VolumeOptions } from './volume-driver.ts'

interface PluginVolume { readonly Name?: string; readonly Mountpoint?: string; readonly CreatedAt?: string; readonly Status?: Readonly<Record<string, unknown>> }

/** A volume driver behind a socket (VolumeDriver.* of Docker's plugin protocol). */
export class PluginDriver implements VolumeDriver {
  readonly name: string
  readonly scope: 'local' | 'global'
  readonly #client: PluginClient

  private constructor(name: string, scope: 'local' | 'global', client: PluginClient) {
    this.name = name
    this.scope = scope
    this.#client = client
  }

  /** Greets the plugin. @throws ShoalError `no-such-volume-driver` (not-found) when it keeps no volumes, `plugin-failed` */
  static async activate(name: string, client: PluginClient): Promise<PluginDriver> {
    const { Implements = [] } = await client.call<{ Implements?: readonly string[] }>('Plugin.Activate', {}, LIST_MS)
    if (!Implements.includes('VolumeDriver')) throw new ShoalError('not-found', 'no-such-volume-driver', `error looking up volume plugin ${name}: plugin "${name}" does not implement VolumeDriver`)
    // Plugins from before the question do not know it.
    const scope = await client.call<{ Capabilities?: { Scope?: string } }>('VolumeDriver.Capabilities', {}, LIST_MS).then(answer => answer.Capabilities?.Scope?.toLowerCase(), () => 'local')
    return new PluginDriver(name, scope === 'global' ? 'global' : 'local', client)
  }

  async create(name: string, options: VolumeOptions): Promise<void> { await this.#client.call('VolumeDriver.Create', { Name: name, Opts: options }) }
  async remove(name: string): Promise<void> { await this.#client.call('VolumeDriver.Remove', { Name: name }) }

  async find(name: string): Promise<DriverVolume | undefined> {
    try {
      const { Volume } = await this.#client.call<{ Volume?: PluginVolume }>('VolumeDriver.Get', { Name: name }, LIST_MS)
      return Volume?.Name === undefined ? undefined : describe(Volume, name)
    } catch (error) {
      // A plugin has no other way to say that it does not know it.
      if (error instanceof ShoalError && error.kind === 'unknown') return undefined
      throw error
    }
  }

  async list(): Promise<readonly DriverVolume[]> {
    const { Volumes } = await this.#client.call<{ Volumes?: readonly PluginVolume[] | null }>('VolumeDriver.List', {}, LIST_MS)
    return (Volumes ?? []).flatMap(volume => (volume.Name === undefined ? [] : [describe(volume, volume.Name)]))
  }

  async mount(name: string, _options: VolumeOptions, user: string): Promise<string> {
    const { Mountpoint = '' } = await this.#client.call<{ Mountpoint?: string }>('VolumeDriver.Mount', { Name: name, ID: user })
    if (!isAbsolute(Mountpoint)) throw new ShoalError('unknown', 'plugin-failed', `VolumeDriver.Mount: the plugin ${this.name} gave no absolute path`)
    return Mountpoint
  }

  async unmount(name: string, _options: VolumeOptions, user: string): Promise<void> { await this.#client.call('VolumeDriver.Unmount', { Name: name, ID: user }) }
}

function describe({ Mountpoint = '', CreatedAt, Status }: PluginVolume, name: string): DriverVolume {
  return { name, mountpoint: Mountpoint, ...(CreatedAt === undefined ? {} : { createdAt: CreatedAt }), ...(Status === undefined || Status === null ? {} : { status: Status }) }
}
