import { constants } from 'node:os'
import { ShoalError } from '../../../src/base/errors.ts'

const RTMIN = 34
const SIGNAL_MAX = 64
/** Docker names the real-time signals from either end, so far. */
const FROM_RTMIN_MAX = 15
const FROM_RTMAX_MAX = 14

/** "SIGTERM", "term", "15", "SIGRTMIN+3", "RTMAX-1" to a number. @throws `invalid-signal` (invalid-argument) */
export function parseSignal(text: string): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : named(text.toUpperCase().replace(/^SIG/, ''))
  if (number !== undefined && number !== 0 && (number < 1 || number > SIGNAL_MAX)) throw new ShoalError('invalid-argument', 'invalid-signal', `the linux daemon does not support signal ${number}`)
  if (number === undefined || number === 0) throw new ShoalError('invalid-argument', 'invalid-signal', `invalid signal: ${text}`)
  return number
}

function named(name: string): number | undefined {
  const up = /^RTMIN(?:\+(\d{1,2}))?$/.exec(name)
  if (up !== null) return Number(up[1] ?? 0) <= FROM_RTMIN_MAX ? RTMIN + Number(up[1] ?? 0) : undefined
  const down = /^RTMAX(?:-(\d{1,2}))?$/.exec(name)
  if (down !== null) return Number(down[1] ?? 0) <= FROM_RTMAX_MAX ? SIGNAL_MAX - Number(down[1] ?? 0) : undefined
  return (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`]
}
