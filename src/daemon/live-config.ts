import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { completeConfig, type DaemonConfig } from './daemon-config.ts'
import type { ParsedFlags } from './settings/parse-flags.ts'
import { reloadSettings } from './settings/read-settings.ts'

/** The configuration in effect. What may change while the daemon runs is read from `current` each time. */
export class LiveConfig {
  readonly #flags: ParsedFlags
  readonly #logger: Logger
  readonly #listeners: ((config: DaemonConfig) => void)[] = []
  #current: DaemonConfig

  constructor(flags: ParsedFlags, config: DaemonConfig, logger: Logger) {
    this.#flags = flags
    this.#current = config
    this.#logger = logger
  }

  get current(): DaemonConfig { return this.#current }

  /** Called after each reload that went well, whatever changed; in the order of registration. */
  onReload(listener: (config: DaemonConfig) => void): void { this.#listeners.push(listener) }

  /** Reads the file again. A file that is not fine leaves everything as it is and is told of in the log. */
  reload(): void {
    try {
      const { settings, changed, needRestart } = reloadSettings(this.#flags, this.#current)
      this.#current = completeConfig(settings)
      this.#logger.info('the configuration was read again', { changed })
      if (needRestart.length > 0) this.#logger.warn('some settings of the configuration file take effect when the daemon starts next', { settings: needRestart })
    } catch (error) {
      this.#logger.error('the configuration was not read again, the old one stays in effect', { reason: messageOf(error) })
      return
    }
    for (const listener of this.#listeners) listener(this.#current)
  }
}
