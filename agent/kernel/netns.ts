import type { IdMapping } from './id-mapping.ts'

/**
 * A network namespace as the network side names it: the path it is bound to, or undefined for the one the daemon runs in.
 * Calls that do not return a promise are done when they return, in a fraction of a millisecond; those that wait for the kernel's grace periods
 * (deleting links, changing rules) do so on another thread.
 */
export type NetnsPath = string | undefined

/** The user namespace that a new network namespace shall belong to: a new one with this mapping, or that of `join` (/proc/PID/ns/user). */
export interface UserNamespace { readonly ids: IdMapping; readonly join?: string }

export interface Netns {
  /** Makes a new namespace with its loopback up and binds it to `path`. @throws `netns-exists` (already-exists) */
  create(path: string): void
  /** As `create`, for a namespace that a user namespace owns. @throws `netns-exists`, `userns-failed` */
  createMapped(path: string, userns: UserNamespace): Promise<void>
  /** Takes the binding away; the namespace ends with its last process. Absent: nothing happens. */
  remove(path: string): void
  /** True when a namespace is bound to `path`. */
  exists(path: string): boolean
  /** File names in `directory`, bound or left over from before a reboot. Absent directory: none. */
  list(directory: string): readonly string[]
  /** Writes /proc/sys/net/<key> in the namespace, e.g. "ipv4/ip_forward". @throws `sysctl-failed` */
  writeSysctl(netns: NetnsPath, key: string, value: string): void
  /** Lets the namespace forward IPv6. Links that learn their routes from routers go on doing so, which the kernel would end. @throws `sysctl-failed` */
  forwardIpv6(netns: NetnsPath): void
}
