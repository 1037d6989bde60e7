const SUFFIXES = 'kmgtp'

/** "10m", "1.5GB" to bytes, as go-units reads sizes: by thousands, or by 1024 when `binary`. Undefined when it is no size. */
export function parseLogSize(text: string, options: { readonly binary: boolean }): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(text) ?? []
  if (number === undefined) return undefined
  return Math.floor(Number(number) * (options.binary ? 1024 : 1000) ** (unit === '' ? 0 : SUFFIXES.indexOf(unit.toLowerCase()) + 1))
}
