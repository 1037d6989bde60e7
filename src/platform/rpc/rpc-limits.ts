/** Largest message either way: a complete assignment set or a snapshot chunk must fit, gRPC's own 4 MiB would not. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024
/** A connection that has been silent this long is asked for a sign of life. */
export const KEEPALIVE_TIME_MS = 2_000
/** No answer within this: the connection is dead. Together with the time above: a cut cable is noticed within 5 s. */
export const KEEPALIVE_TIMEOUT_MS = 3_000
/** A process that did not run for this long has to expect that the other side gave up its connections meanwhile: what the keepalive waits for an answer. */
export const STALL_MS = KEEPALIVE_TIMEOUT_MS
/** How often a connection notes that its process runs. */
export const ALIVE_NOTE_MS = 1_000
/** A call to an address that does not become connected within this fails with `unavailable`, whatever its own deadline. */
export const CONNECT_TIMEOUT_MS = 5_000
/** Longest error text on the wire: HTTP/2 headers are limited to 16 KiB, and percent-encoding may triple it. */
export const ERROR_TEXT_MAX = 3_000
/** How long a server that is disposed waits for handlers which were told to stop. */
export const SHUTDOWN_GRACE_MS = 2_000
/** A TLS handshake that takes longer is given up. */
export const HANDSHAKE_TIMEOUT_MS = 10_000
