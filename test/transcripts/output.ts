import type { RaftLogger } from 'raft-ts/raft-config'

const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE']

/** Collects what a block prints: results, and the core's log lines from the chosen level on. Level NONE silences both. */
export class Output implements RaftLogger {
  #text = ''
  #indent = ''
  #level = 0

  get level(): string { return LEVELS[this.#level] as string }
  get isQuiet(): boolean { return this.level === 'NONE' }

  setLevel(name: string): void {
    const level = LEVELS.indexOf(name.toUpperCase())
    if (level < 0) throw new Error(`log levels must be either of ${LEVELS.join(' ')}`)
    this.#level = level
  }

  /** Prints `text`, each line ended. */
  print(text: string): void {
    if (this.isQuiet || text === '') return
    for (const line of text.replace(/\n$/, '').split('\n')) this.#text += `${this.#indent}${line}\n`
  }

  indented(work: () => void): void {
    const outer = this.#indent
    this.#indent = `${outer}  `
    work()
    this.#indent = outer
  }

  take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  debug(message: string): void { this.#log(0, message) }
  info(message: string): void { this.#log(1, message) }
  warn(message: string): void { this.#log(2, message) }
  error(message: string): void { this.#log(3, message) }

  #log(level: number, message: string): void {
    if (level >= this.#level) this.print(`${LEVELS[level]} ${message}`)
  }
}
