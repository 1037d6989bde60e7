import { ShoalError } from '../../base/errors.ts'
import type { Query } from '../server/query.ts'

const SIDE_MAX = 0xffff_ffff

export interface TerminalSize { readonly height: number; readonly width: number }

/** `h` and `w` of a resize, refused in dockerd's words. @throws ShoalError `bad-parameter` (invalid-argument) */
export function terminalSize(query: Query): TerminalSize {
  return { height: side(query.text('h'), 'height'), width: side(query.text('w'), 'width') }
}

function side(text: string, name: string): number {
  const refuse = (why: string): ShoalError => new ShoalError('invalid-argument', 'bad-parameter', `invalid resize ${name} ${JSON.stringify(text)}: ${why}`)
  if (!/^-?\d+$/.test(text)) throw refuse('invalid syntax')
  const value = Number(text)
  if (value < 0 || value > SIDE_MAX) throw refuse('value out of range')
  return value
}
