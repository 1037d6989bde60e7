import type { Operation } from './operation.ts'

/**
 * JSON lines, one operation each (fields: operation.ts); empty lines are skipped.
 * @throws Error that names the line
 */
export function readHistory(text: string): readonly Operation[] {
  return text.split('\n').flatMap((line, at) => {
    if (line.trim() === '') return []
    try {
      return [operationOf(JSON.parse(line) as Partial<Operation>)]
    } catch (cause) {
      throw new Error(`line ${at + 1}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  })
}

function operationOf(given: Partial<Operation>): Operation {
  const { client, key, kind, value, expected, call, outcome } = given
  const isValue = (field: unknown): field is string | null => field === null || typeof field === 'string'
  if (typeof client !== 'string' || typeof key !== 'string') throw new Error('client and key must be strings')
  if (kind !== 'read' && kind !== 'write' && kind !== 'cas') throw new Error('kind must be read, write or cas')
  if (outcome !== 'ok' && outcome !== 'fail' && outcome !== 'unknown') throw new Error('outcome must be ok, fail or unknown')
  if (!isValue(value) && !(kind === 'read' && outcome !== 'ok' && value === undefined)) throw new Error('value must be a string or null')
  if (kind === 'cas' && !isValue(expected)) throw new Error('cas needs expected, a string or null')
  if (typeof call !== 'number' || (outcome === 'ok' && typeof given.return !== 'number')) throw new Error('call must be a number, and return too when the outcome is ok')
  if (given.return !== undefined && given.return < call) throw new Error('it returns before it is called')
  return { client, key, kind, value: value ?? null, call, outcome, ...(expected === undefined ? {} : { expected }), ...(given.return === undefined ? {} : { return: given.return }) }
}
