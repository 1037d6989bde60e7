/** A record of the monitor's log: {u64 little-endian ns}{stream, 0, 0, 0, big-endian length}{bytes}. The last 8 bytes of the head are Docker's frame header. */
export const RECORD_HEAD = 16
