import { ShoalError } from '../../../src/base/errors.ts'
import { logAttributes } from './log-attributes.ts'
import { invalidLogOption } from './invalid-log-option.ts'
import type { LogOptionValues } from './log-option-values.ts'
import { parseLogSize } from './log-size.ts'
import { renderTag, type LoggedContainer } from './log-tag.ts'
import { planSyslog, type SyslogPlan } from './syslog-options.ts'

/** How a container's output is kept, and where else it goes. */
export interface LogPlan {
  /** Rotation of the monitor's file, bytes 0: none. Undefined: nothing is kept. */
  readonly file: LogRotation | undefined
  /** The file is Docker's own json-file, rather than in the monitor's form. */
  readonly isJson: boolean
  /** Whether `docker logs` may read that file. */
  readonly isReadable: boolean
  /** What `docker logs --details` shows before each line. */
  readonly attributes: Readonly<Record<string, string>>
  readonly remote: RemoteLog | undefined
}

export interface LogRotation { readonly bytesMax: number; readonly filesMax: number; readonly compress: boolean }

export type RemoteLog = { readonly kind: 'syslog'; readonly syslog: SyslogPlan } | { readonly kind: 'journald'; readonly fields: Readonly<Record<string, string>> }

/** What `local` and the copies beside remote drivers do when nothing is said; `json-file` never rotates by itself. */
const LOCAL_DEFAULT: LogRotation = { bytesMax: 20 * 1024 ** 2, filesMax: 5, compress: true }

/**
 * A driver and its options for one container, read as dockerd reads them at each start.
 * @throws `invalid-log-option` (invalid-argument), in dockerd's words
 */
export function planLog(driver: string, options: LogOptionValues, container: LoggedContainer): LogPlan {
  const attributes = () => logAttributes(options, container)
  const tag = () => renderTag(options['tag'] === undefined || options['tag'] === '' ? '{{.ID}}' : options['tag'], container)
  const remote = { file: cacheOf(options), isJson: false, isReadable: !isTrue(options['cache-disabled']) }
  switch (driver) {
    case 'none': return { file: undefined, isJson: false, isReadable: false, attributes: {}, remote: undefined }
    case 'local': return { file: localRotation(options), isJson: false, isReadable: true, attributes: {}, remote: undefined }
    case 'syslog': return { ...remote, attributes: {}, remote: { kind: 'syslog', syslog: planSyslog(options, tag()) } }
    case 'journald': return { ...remote, attributes: attributes(), remote: { kind: 'journald', fields: journalFields(options, container, tag()) } }
    default: return {
      file: jsonFileRotation(options), isJson: true, isReadable: true, remote: undefined,
      attributes: { ...attributes(), ...(options['tag'] === undefined || options['tag'] === '' ? {} : { tag: tag() }) },
    }
  }
}

/** The plan at a start: what is wrong with it is told as dockerd does then. @throws `invalid-log-option` (invalid-argument) */
export function planLogAtStart(driver: string, options: LogOptionValues, container: LoggedContainer): LogPlan {
  try {
    return planLog(driver, options, container)
  } catch (error) {
    throw loggingFailed(error)
  }
}

/** Says of an error that the log driver could not be brought up. */
export function loggingFailed(error: unknown): unknown {
  if (!(error instanceof ShoalError)) return error
  return new ShoalError(error.kind, error.code, `failed to initialize logging driver: ${error.message}`, { cause: error })
}

function jsonFileRotation(options: LogOptionValues): LogRotation {
  const { 'max-size': size, 'max-file': files } = options
  const bytesMax = size === undefined ? 0 : parseLogSize(size, { binary: false })
  if (bytesMax === undefined) throw invalidLogOption(`invalid size: '${size}'`)
  if (size !== undefined && bytesMax <= 0) throw invalidLogOption('max-size must be a positive number')
  const filesMax = files === undefined ? 1 : integer(files)
  if (filesMax < 1) throw invalidLogOption('max-file cannot be less than 1')
  const compress = options['compress'] === undefined ? false : boolean(options['compress'])
  if (compress && (filesMax < 2 || bytesMax === 0)) throw invalidLogOption('compress cannot be true when max-file is less than 2 or max-size is not set')
  return { bytesMax, filesMax, compress }
}

function localRotation(options: LogOptionValues): LogRotation {
  const { 'max-size': size, 'max-file': files } = options
  const bytesMax = size === undefined ? LOCAL_DEFAULT.bytesMax : parseLogSize(size, { binary: true })
  if (bytesMax === undefined) throw invalidLogOption(`invalid value for max-size: ${size}: invalid size: '${size}'`)
  const filesMax = files === undefined ? LOCAL_DEFAULT.filesMax : within(`invalid value for max-file: ${files}`, () => integer(files))
  const compress = options['compress'] === undefined ? LOCAL_DEFAULT.compress : within('error reading compress log option', () => boolean(options['compress'] ?? ''))
  if (filesMax < 0) throw invalidLogOption('max file count cannot be less than 0')
  if (compress && filesMax <= 1) throw invalidLogOption('compression cannot be enabled when max file count is 1')
  return { bytesMax, filesMax: Math.max(1, filesMax), compress }
}

/** The copy that `docker logs` reads; as in dockerd a value that cannot be read is the default. */
function cacheOf(options: LogOptionValues): LogRotation {
  const bytes = parseLogSize(options['cache-max-size'] ?? '', { binary: true })
  const files = Number(options['cache-max-file'] ?? LOCAL_DEFAULT.filesMax)
  return {
    bytesMax: bytes === undefined || bytes === 0 ? LOCAL_DEFAULT.bytesMax : bytes, filesMax: Number.isInteger(files) && files >= 1 ? files : LOCAL_DEFAULT.filesMax,
    compress: options['cache-compress'] === undefined || isTrue(options['cache-compress']),
  }
}

function journalFields(options: LogOptionValues, container: LoggedContainer, tag: string): Readonly<Record<string, string>> {
  return {
    CONTAINER_ID: container.id.slice(0, 12), CONTAINER_ID_FULL: container.id, CONTAINER_NAME: container.name, CONTAINER_TAG: tag, IMAGE_NAME: container.imageName, SYSLOG_IDENTIFIER: tag,
    ...logAttributes(options, container, key => key.toUpperCase().replace(/[^A-Z0-9]/g, '_').replace(/^_+/, '')),
  }
}

function integer(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw invalidLogOption(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}

/** As Go's strconv.ParseBool. */
function boolean(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false
  throw invalidLogOption(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`)
}

function isTrue(text: string | undefined): boolean { return text !== undefined && /^(1|t|T|TRUE|true|True)$/.test(text) }

function within<T>(prefix: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof ShoalError ? invalidLogOption(`${prefix}: ${error.message}`) : error
  }
}
