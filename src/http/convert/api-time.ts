import { ShoalError } from '../../base/errors.ts'

/**
 * A moment as the API takes it: seconds since the epoch, with or without fraction, or RFC 3339. Milliseconds since the epoch.
 * @throws ShoalError `bad-parameter`
 */
export function apiTimeMs(text: string, name: string): number {
  const seconds = /^-?\d{1,15}(?:\.\d{1,9})?$/.test(text) ? Number(text) * 1000 : NaN
  const atMs = Number.isNaN(seconds) && /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : seconds
  if (Number.isNaN(atMs)) throw new ShoalError('invalid-argument', 'bad-parameter', `invalid value for "${name}": "${text.slice(0, 100)}" is neither a Unix time nor RFC 3339`)
  return atMs
}

const UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, 'µs': 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** The filter `until`: a moment, or how long ago one was, as Go writes durations ("1h30m"). @throws ShoalError `bad-parameter` */
export function untilMs(text: string, nowMs: number): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) return apiTimeMs(text, 'until')
  return nowMs - parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ''] ?? 0), 0)
}
