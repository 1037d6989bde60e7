import { ShoalError } from '../../base/errors.ts'

/** Query parameters with Docker's readings of truth and numbers. */
export class Query {
  readonly #params: URLSearchParams

  constructor(text: string) { this.#params = new URLSearchParams(text) }

  has(name: string): boolean { return this.#params.has(name) }
  /** The first value, or the empty string. */
  text(name: string): string { return this.#params.get(name) ?? '' }
  /** The first value unless it is missing or empty. */
  optional(name: string): string | undefined { return this.text(name) || undefined }
  all(name: string): readonly string[] { return this.#params.getAll(name) }

  /** Everything but "", 0, no, false and none is true, as the Docker daemon reads it. */
  flag(name: string, whenMissing = false): boolean {
    const value = this.#params.get(name)
    if (value === null) return whenMissing
    return !['', '0', 'no', 'false', 'none'].includes(value.trim().toLowerCase())
  }

  /** An integer, or undefined when missing or empty. @throws ShoalError `bad-parameter` (invalid-argument) */
  integer(name: string): number | undefined {
    const text = this.text(name)
    if (text === '') return undefined
    const value = Number(text)
    if (!/^[+-]?\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) {
      throw new ShoalError('invalid-argument', 'bad-parameter', `invalid value for the parameter ${name}: "${text}" is not an integer`)
    }
    return value
  }
}
