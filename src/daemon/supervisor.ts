import { notifySupervisor } from '../../agent/kernel/linux/notify-supervisor.ts'
import type { Logger } from '../base/logger.ts'

/** What systemd wants to know of a service of Type=notify; nothing happens when nobody asked to be told. */
export class Supervisor {
  readonly #address: string
  readonly #logger: Logger

  /** @param address of NOTIFY_SOCKET */
  constructor(address: string | undefined, logger: Logger) {
    this.#address = address ?? ''
    this.#logger = logger
  }

  ready(): void { this.#tell('READY=1\nSTATUS=serving the Engine API') }
  /** @param monotonicMs the clock that systemd compares with */
  reloading(monotonicMs: number): void { this.#tell(`RELOADING=1\nMONOTONIC_USEC=${Math.floor(monotonicMs * 1000)}`) }
  stopping(): void { this.#tell('STOPPING=1') }

  #tell(message: string): void {
    if (this.#address === '') return
    try {
      notifySupervisor(this.#address, message)
    } catch (err) {
      this.#logger.warn('the service manager could not be told', { err })
    }
  }
}
