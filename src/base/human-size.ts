const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Bytes in decimal units, to so many significant digits: 4_210_000, 3 -> "4.21MB". Docker's clients print three, its daemon four. */
export function humanSize(bytes: number, digits: number): string {
  let value = bytes
  let at = 0
  while (value >= 1000 && at < UNITS.length - 1) {
    value /= 1000
    at++
  }
  return `${Number(value.toPrecision(digits))}${UNITS[at] ?? ''}`
}
