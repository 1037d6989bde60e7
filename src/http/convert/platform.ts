import { ShoalError } from '../../base/errors.ts'
import type { Query } from '../server/query.ts'

/**
 * The parameter `platform` as "os/architecture/variant". Newer clients send JSON {"os", "architecture", "variant"}.
 * @throws `bad-parameter` (invalid-argument)
 */
export function platformParameter(query: Query): string | undefined {
  const texts = query.all('platform').filter(text => text !== '')
  if (texts.length > 1) throw bad('multiple platform parameters not supported')
  const [text] = texts
  if (text?.startsWith('{') !== true) return text
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw bad(`failed to parse platform: ${text} is not JSON`, cause)
  }
  const { os, architecture, variant } = value as Readonly<Record<string, unknown>>
  if (typeof os !== 'string' || typeof architecture !== 'string' || os === '' || architecture === '') throw bad('both OS and Architecture must be provided')
  return [os, architecture, ...(typeof variant === 'string' && variant !== '' ? [variant] : [])].join('/')
}

function bad(message: string, cause?: unknown): ShoalError { return new ShoalError('invalid-argument', 'bad-parameter', message, { cause }) }
