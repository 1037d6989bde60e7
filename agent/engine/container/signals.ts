import { constants } from 'node:os'
import { ShoalError } from '../../../src/base/errors.ts'

const RTMIN = 34
const SIGNAL_MAX = 64

/** "SIGTERM", "term", "15", "SIGRTMIN+3" to a number. @throws `invalid-signal` (invalid-argument) */
export function parseSignal(text: string): number {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : named(text.toUpperCase().replace(/^SIG/, ''))
  if (number !== undefined && number !== 0 && (number < 1 || number > SIGNAL_MAX)) throw new ShoalError('invalid-argument', 'invalid-signal', `the linux daemon does not support signal ${number}`)
  if (number === undefined || number === 0) throw new ShoalError('invalid-argument', 'invalid-signal', `invalid signal: ${text}`)
  return number
}

function named(name: string): number | undefined {
  const realTime = /^RTMIN(?:\+(\d+))?$/.exec(name)
  if (realTime !== null) return RTMIN + Number(realTime[1] ?? 0)
  return (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`]
}
