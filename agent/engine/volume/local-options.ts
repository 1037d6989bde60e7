import { ShoalError } from '../../../src/base/errors.ts'
import type { VolumeOptions } from './volume-driver.ts'

const KNOWN: readonly string[] = ['type', 'device', 'o', 'size']
/** An option and the ones that make sense only with it. */
const NEEDS: readonly (readonly [option: string, needed: readonly string[]])[] = [['device', ['type']], ['type', ['device']], ['o', ['device', 'type']]]
const SIZE = /^\d+(\.\d+)? ?([kmgtp]?i?b?)$/i

/** @throws `invalid-volume-option` (invalid-argument) in Docker's words */
export function checkLocalOptions(name: string, options: VolumeOptions): void {
  const unknown = Object.keys(options).find(key => !KNOWN.includes(key))
  if (unknown !== undefined) throw invalid(name, `invalid option: "${unknown}"`)
  const { size } = options
  if (size !== undefined) throw invalid(name, SIZE.test(size) ? 'quota size requested but no quota support' : `invalid size: '${size}'`)
  for (const [option, needed] of NEEDS) {
    const missing = given(options, option) ? needed.find(key => !given(options, key)) : undefined
    if (missing !== undefined) throw invalid(name, `missing required option: "${missing}"`)
  }
}

/** Whether the volume is a file system of its own, which is there only while somebody uses it. */
export function isMountedVolume(options: VolumeOptions): boolean { return given(options, 'device') }

function given(options: VolumeOptions, key: string): boolean { return (options[key] ?? '') !== '' }

function invalid(name: string, reason: string): ShoalError {
  return new ShoalError('invalid-argument', 'invalid-volume-option', `create ${name}: ${reason}`)
}
