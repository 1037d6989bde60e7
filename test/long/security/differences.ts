/** Where a container of Shoal deliberately differs from one of the dockerd that it is compared with (20.10 with runc 1.1.5). */
export interface Allowed {
  readonly key: RegExp
  readonly ours?: RegExp
  readonly theirs?: RegExp
  readonly flags?: RegExp
  readonly reason: string
}

export const ALLOWED: readonly Allowed[] = [
  { key: /^call io_uring_/, ours: /^EPERM$/, reason: "Docker's profile refuses io_uring since 25, for its record of kernel holes" },
  { key: /^call pkey_/, theirs: /^EPERM$/, reason: "Docker's profile allows memory protection keys since 20.10.25: they are a process's own" },
  { key: /^call (process_vm_readv|process_vm_writev|name_to_handle_at)$/, theirs: /^EPERM$/, reason: "Docker's profile of today allows them: the kernel itself asks for the right to trace, or gives no more than a handle" },
  { key: /^call set_mempolicy_home_node$/, theirs: /^ENOSYS$/, reason: 'newer than the compared profile' },
  { key: /^call (afs_syscall|getpmsg|putpmsg|security|tuxcall)$/, ours: /^ENOSYS$/, theirs: /^EPERM$/, reason: 'the kernel has no such calls and says ENOSYS; what our profile has never heard of gets that answer too (D-212)' },
  { key: /^mount \/proc\/(bus|fs|irq|sys)$/, ours: /^proc ro$/, reason: 'crun makes read-only paths with that flag alone; a proc file system has neither devices nor set-uid files' },
  { key: /^mount \/proc\/(keys|timer_list|latency_stats|sched_debug|timer_stats)$/, ours: /^devtmpfs ro$/, reason: "crun hides a file behind the host's /dev/null, read-only, runc behind the container's" },
  { key: /^(mount|writable|path) \/proc\/interrupts$/, reason: "hidden, as Docker does since 27.1: it tells other containers' activity" },
  { key: /^mount \/$/, ours: /^overlay r[ow]$/, theirs: /master$/, reason: "what the host mounts later does not reach into our containers' roots" },
  { key: /^mount \/dev\/console$/, ours: /^devpts rw$/, flags: /-t$/, reason: 'crun binds the terminal without more flags; a terminal device is needed there, and it is no set-uid file' },
  { key: /^dev null$/, ours: /1000 1000/, flags: /--user/, reason: 'crun gives the standard streams to the user, and one of them is the null device of this container' },
  { key: /^path \/sys\/power\/state$/, ours: /write:EACCES$/, theirs: /write:EROFS$/, reason: 'refused by the mode of the file before the mount is asked: crun makes the mount read-only, runc the file system' },
  { key: /^dev core -> /, ours: /^l/, reason: 'crun makes the customary link to /proc/kcore also where the kernel has none; it leads nowhere, or to a hidden file' },
]

/** The row by which a difference is meant; undefined when it is not. */
export function allowedBy(key: string, found: { readonly ours: string; readonly theirs: string; readonly flags: string }): Allowed | undefined {
  return ALLOWED.find(row => row.key.test(key) && (row.ours ?? /^/).test(found.ours) && (row.theirs ?? /^/).test(found.theirs) && (row.flags ?? /^/).test(found.flags))
}
