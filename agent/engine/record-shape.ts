/** What kind of value stands under each name. */
export type Shape = Readonly<Record<string, 'string' | 'number' | 'boolean' | 'object' | 'strings' | 'objects'>>

/** Whether a value read from disk is an object with parts of these kinds; it may have more. */
export function hasShape(value: unknown, shape: Shape): boolean {
  return isObject(value) && Object.entries(shape).every(([key, kind]) => {
    const part = (value as Readonly<Record<string, unknown>>)[key]
    if (kind === 'strings') return Array.isArray(part) && part.every(each => typeof each === 'string')
    if (kind === 'objects') return Array.isArray(part) && part.every(isObject)
    return kind === 'object' ? isObject(part) : typeof part === kind
  })
}

function isObject(part: unknown): boolean { return typeof part === 'object' && part !== null && !Array.isArray(part) }
