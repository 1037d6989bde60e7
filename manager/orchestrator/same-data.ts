/** Deep equality of plain data. An undefined property equals an absent one; byte arrays compare by content. */
export function isSameData(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  if (Array.isArray(a) || a instanceof Uint8Array) return isSameList(a as ArrayLike<unknown>, b as ArrayLike<unknown>)
  const left = a as Readonly<Record<string, unknown>>
  const right = b as Readonly<Record<string, unknown>>
  return Object.keys(left).every(key => isSameData(left[key], right[key]))
    && Object.keys(right).every(key => right[key] === undefined || left[key] !== undefined)
}

function isSameList(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!isSameData(a[i], b[i])) return false
  return true
}
