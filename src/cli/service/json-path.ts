/** A JSON object that is being put together. */
export interface JsonObject { [key: string]: unknown }

/** The object at `path`, made where it is missing. */
function objectAt(root: JsonObject, path: readonly string[]): JsonObject {
  let at = root
  for (const key of path) {
    const next = at[key]
    if (typeof next === 'object' && next !== null && !Array.isArray(next)) {
      at = next as JsonObject
    } else {
      const made: JsonObject = {}
      at[key] = made
      at = made
    }
  }
  return at
}

/** Sets the value at a dotted path. */
export function setPath(root: JsonObject, path: string, value: unknown): void {
  const keys = path.split('.')
  objectAt(root, keys.slice(0, -1))[keys.at(-1) ?? ''] = value
}

/** The value at a dotted path, if every step is there. */
export function getPath(root: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? (at as JsonObject)[key] : undefined), root)
}
