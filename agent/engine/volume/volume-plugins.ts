import type { Clock } from '../../../src/base/clock.ts'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import { PluginClient } from './plugin-client.ts'
import { PluginDriver } from './plugin-driver.ts'
import { DOCKER_PLUGIN_FOLDERS, pluginAddress, pluginNames, type PluginFolders } from './plugin-folders.ts'
import type { DriverVolume } from './volume-driver.ts'

export type { PluginFolders } from './plugin-folders.ts'

export interface FoundVolume { readonly driver: string; readonly volume: DriverVolume }

/** The volume drivers that plugins are. They are looked for each time they are asked for: plugins come and go without telling. */
export class VolumePlugins {
  readonly #clock: Clock
  readonly #folders: PluginFolders
  /** Those that greeted us, by name. */
  readonly #drivers = new Map<string, { readonly address: string; readonly driver: PluginDriver }>()

  constructor({ clock, folders = DOCKER_PLUGIN_FOLDERS }: { readonly clock: Clock; readonly folders?: PluginFolders }) {
    this.#clock = clock
    this.#folders = folders
  }

  /** Those that have been used and whose socket or file is still there. */
  names(): readonly string[] { return [...this.#drivers.keys()].filter(name => pluginAddress(this.#folders, name) !== undefined) }

  /** A driver that was used before. */
  known(name: string): PluginDriver | undefined { return this.#drivers.get(name)?.driver }

  /** @throws ShoalError `no-such-volume-driver` (not-found), `plugin-failed`, `bad-plugin-spec` */
  async driver(name: string): Promise<PluginDriver> {
    const address = pluginAddress(this.#folders, name)
    if (address === undefined) throw new ShoalError('not-found', 'no-such-volume-driver', `error looking up volume plugin ${name}: plugin "${name}" not found`)
    const known = this.#drivers.get(name)
    if (known?.address === JSON.stringify(address)) return known.driver
    const driver = await PluginDriver.activate(name, new PluginClient(address, this.#clock))
    this.#drivers.set(name, { address: JSON.stringify(address), driver })
    return driver
  }

  /** The plugin that knows a volume of this name. Those that do not answer are passed over. */
  async find(name: string): Promise<FoundVolume | undefined> {
    const found = await Promise.all(pluginNames(this.#folders).map(async plugin => {
      try {
        const volume = await (await this.driver(plugin)).find(name)
        return volume === undefined ? undefined : { driver: plugin, volume }
      } catch {
        return undefined
      }
    }))
    return found.find(each => each !== undefined)
  }

  /** All volumes of all plugins, and a warning for each plugin that does not answer. */
  async list(): Promise<{ readonly volumes: readonly FoundVolume[]; readonly warnings: readonly string[] }> {
    const warnings: string[] = []
    const lists = await Promise.all(pluginNames(this.#folders).map(async plugin => {
      try {
        return (await (await this.driver(plugin)).list()).map(volume => ({ driver: plugin, volume }))
      } catch (error) {
        // Most plugins are of other kinds.
        if (!(error instanceof ShoalError && error.code === 'no-such-volume-driver')) warnings.push(`error listing volumes of the plugin ${plugin}: ${messageOf(error)}`)
        return []
      }
    }))
    return { volumes: lists.flat(), warnings }
  }
}
