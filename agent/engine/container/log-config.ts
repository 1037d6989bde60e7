import type { HostConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }
/** What `local` does when nothing is said; `json-file` never rotates by itself. */
const LOCAL_DEFAULT = { bytesMax: 20 * 1024 ** 2, filesMax: 5 }

/** How a container's log is kept; undefined for driver none. Bytes 0: no limit. @throws `invalid-log-option` (invalid-argument) */
export function logLimits(host: HostConfig): { readonly bytesMax: number; readonly filesMax: number } | undefined {
  const { Type: type = 'json-file', Config: config } = host.LogConfig ?? {}
  if (type === 'none') return undefined
  const size = config?.['max-size']
  const files = config?.['max-file']
  const fallback = type === 'local' ? LOCAL_DEFAULT : { bytesMax: 0, filesMax: 1 }
  const filesMax = files === undefined ? fallback.filesMax : Number(files)
  if (!Number.isInteger(filesMax) || filesMax < 1) throw invalid(`invalid max-file ${files}: give a number of at least 1`)
  if (filesMax > 1 && files !== undefined && size === undefined && type === 'json-file') throw invalid('max-file cannot be larger than 1 if max-size is not set')
  return { bytesMax: size === undefined ? fallback.bytesMax : parseSize(size), filesMax }
}

function parseSize(text: string): number {
  if (text === '-1') return 0
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([bkmg]?)b?$/i.exec(text) ?? []
  if (number === '') throw invalid(`invalid max-size ${text}: give for example 10m`)
  return Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? 1))
}

function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-log-option', message) }
