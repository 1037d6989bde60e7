import { ShoalError } from '../../../src/base/errors.ts'

/** Options of network drivers, read as Docker reads them. */
export class DriverOptions {
  readonly #options: Readonly<Record<string, string>>

  constructor(options: Readonly<Record<string, string>>) { this.#options = options }

  text(key: string): string { return this.#options[key] ?? '' }

  /** @throws `invalid-network` (invalid-argument) */
  flag(key: string, fallback: boolean): boolean {
    const text = this.text(key)
    if (text === '') return fallback
    if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
    if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
    throw invalid(`failed to parse ${key} value: ${text} (strconv.ParseBool: parsing "${text}": invalid syntax)`)
  }

  /** @throws `invalid-network` (invalid-argument) */
  integer(key: string, fallback: number): number {
    const text = this.text(key)
    if (text === '') return fallback
    if (!/^[+-]?\d+$/.test(text)) throw invalid(`failed to parse ${key} value: ${text} (strconv.Atoi: parsing "${text}": invalid syntax)`)
    return Number(text)
  }

  /** @throws `invalid-network` (invalid-argument) */
  choice<T extends string>(key: string, choices: readonly T[], fallback: T): T {
    const text = this.text(key)
    if (text === '') return fallback
    const found = choices.find(choice => choice === text)
    if (found === undefined) throw invalid(`unknown value ${text} of the option ${key}: it is one of ${choices.join(', ')}`)
    return found
  }
}

function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-network', message) }
