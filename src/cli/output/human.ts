/** Words for durations as Docker prints them: "5 minutes", "About an hour". */
export function humanDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000))
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < 60) return `${seconds} seconds`
  const minutes = Math.floor(seconds / 60)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.round(seconds / 3600)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  if (hours < 24 * 14) return `${Math.floor(hours / 24)} days`
  if (hours < 24 * 60) return `${Math.floor(hours / 24 / 7)} weeks`
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`
  return `${Math.floor(hours / 24 / 365)} years`
}

/** "64M", "1.5g", "100" -> bytes (binary units, as Docker reads them). Undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?$/i.exec(text.trim())
  if (match?.[1] === undefined) return undefined
  const power = ['', 'k', 'm', 'g', 't', 'p'].indexOf((match[2] ?? '').toLowerCase())
  return Math.floor(Number(match[1]) * 1024 ** power)
}

/** "1h30m", "500ms", "10s" (Go's durations) -> nanoseconds. Undefined for anything else. */
export function parseDurationNs(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0
  const sign = text.startsWith('-') ? -1 : 1
  const body = text.replace(/^[+-]/, '')
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(body)) return undefined
  const unitNs: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 }
  let sum = 0
  for (const [, number, unit] of body.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) sum += Number(number) * (unitNs[unit ?? ''] ?? 0)
  return sign * Math.round(sum)
}

/** The first 12 characters of an id, without "sha256:". */
export function shortId(id: string): string { return id.replace(/^sha256:/, '').slice(0, 12) }

/** Text cut to `length` with an ellipsis. */
export function truncate(text: string, length: number): string { return text.length > length ? `${text.slice(0, length - 1)}…` : text }

/** Sorts as people do: web.2 before web.10. */
export function compareNatural(a: string, b: string): number { return a.localeCompare(b, 'en', { numeric: true }) }
