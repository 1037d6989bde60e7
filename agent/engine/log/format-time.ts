/** RFC 3339 with nanoseconds. */
export function formatTime(atNs: bigint): string {
  const base = new Date(Number(atNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  return `${base}.${String(atNs % 1_000_000_000n).padStart(9, '0')}Z`
}
