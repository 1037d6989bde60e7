/**
 * A network namespace as the network side names it: the path it is bound to, or undefined for the one the daemon runs in.
 * All calls of the network kernel are synchronous: they move the calling thread into the namespace and back, so nothing may run in between.
 */
export type NetnsPath = string | undefined

export interface Netns {
  /** Makes a new namespace with its loopback up and binds it to `path`. @throws `netns-exists` (already-exists) */
  create(path: string): void
  /** Takes the binding away; the namespace ends with its last process. Absent: nothing happens. */
  remove(path: string): void
  /** True when a namespace is bound to `path`. */
  exists(path: string): boolean
  /** File names in `directory`, bound or left over from before a reboot. Absent directory: none. */
  list(directory: string): readonly string[]
  /** Writes /proc/sys/net/<key> in the namespace, e.g. "ipv4/ip_forward". @throws `sysctl-failed` */
  writeSysctl(netns: NetnsPath, key: string, value: string): void
}
