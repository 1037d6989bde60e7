import type { SeccompProfile } from './seccomp.ts'

/** mount, cgroup, UTS, IPC, user, pid, network. */
const CLONE_NEW_FLAGS: readonly number[] = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]

/**
 * What containers may call unless told otherwise, equal in effect to Docker's default profile. What is refused on purpose gives EPERM; what this list has
 * never heard of gives ENOSYS, so that a newer C library falls back instead of failing (D-212).
 */
export const DEFAULT_SECCOMP_PROFILE: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 38,
  archMap: { amd64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'], arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'] },
  syscalls: [
    { action: 'SCMP_ACT_ALLOW', names: words(`
      accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64
      clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
      epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
      fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork
      fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake
      futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp
      getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt
      get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy
      io_getevents io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset
      landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat
      lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect
      mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd
      msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc
      pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6
      pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
      removexattr removexattrat rename renameat renameat2 restart_syscall rmdir riscv_hwprobe rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
      rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max
      sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
      sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid
      setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
      setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl
      shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink
      symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
      timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname
      unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev`) },
    ...[0x0, 0x8, 0x20000, 0x20008, 0xffffffff].map(value => ({
      action: 'SCMP_ACT_ALLOW', names: ['personality'], args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
    })),
    // 40 is AF_VSOCK, which knows no network namespace.
    { action: 'SCMP_ACT_ALLOW', names: ['socket'], args: [{ index: 0, value: 40, op: 'SCMP_CMP_NE' }] },
    { action: 'SCMP_ACT_ERRNO', errnoRet: 1, names: ['socket'], args: [{ index: 0, value: 40, op: 'SCMP_CMP_EQ' }] },
    { action: 'SCMP_ACT_ALLOW', names: ['arch_prctl', 'modify_ldt'], arches: ['amd64'] },
    { action: 'SCMP_ACT_ALLOW', names: words('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'), arches: ['arm64'] },
    { action: 'SCMP_ACT_ALLOW', names: ['open_by_handle_at'], capabilities: ['CAP_DAC_READ_SEARCH'] },
    { action: 'SCMP_ACT_ALLOW', names: words(`bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree
      perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`), capabilities: ['CAP_SYS_ADMIN'] },
    // New namespaces need CAP_SYS_ADMIN: the mask is all CLONE_NEW* flags. clone3 passes them in memory, where no filter sees them: the C library falls back.
    { action: 'SCMP_ACT_ALLOW', names: ['clone'], args: [{ index: 0, value: 2114060288, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }], withoutCapability: 'CAP_SYS_ADMIN' },
    // Programs that try for a namespace take EPERM for a no, and go on without.
    ...CLONE_NEW_FLAGS.map(flag => ({
      action: 'SCMP_ACT_ERRNO', errnoRet: 1, names: ['clone'], args: [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }], withoutCapability: 'CAP_SYS_ADMIN',
    })),
    { action: 'SCMP_ACT_ERRNO', errnoRet: 38, names: ['clone3'], withoutCapability: 'CAP_SYS_ADMIN' },
    { action: 'SCMP_ACT_ALLOW', names: ['reboot'], capabilities: ['CAP_SYS_BOOT'] },
    { action: 'SCMP_ACT_ALLOW', names: ['chroot'], capabilities: ['CAP_SYS_CHROOT'] },
    { action: 'SCMP_ACT_ALLOW', names: ['delete_module', 'init_module', 'finit_module'], capabilities: ['CAP_SYS_MODULE'] },
    { action: 'SCMP_ACT_ALLOW', names: ['acct'], capabilities: ['CAP_SYS_PACCT'] },
    { action: 'SCMP_ACT_ALLOW', names: ['kcmp', 'pidfd_getfd', 'process_madvise'], capabilities: ['CAP_SYS_PTRACE'] },
    { action: 'SCMP_ACT_ALLOW', names: ['iopl', 'ioperm'], capabilities: ['CAP_SYS_RAWIO'] },
    { action: 'SCMP_ACT_ALLOW', names: ['settimeofday', 'stime', 'clock_settime', 'clock_settime64'], capabilities: ['CAP_SYS_TIME'] },
    { action: 'SCMP_ACT_ALLOW', names: ['vhangup'], capabilities: ['CAP_SYS_TTY_CONFIG'] },
    { action: 'SCMP_ACT_ALLOW', names: ['get_mempolicy', 'mbind', 'set_mempolicy', 'set_mempolicy_home_node'], capabilities: ['CAP_SYS_NICE'] },
    { action: 'SCMP_ACT_ALLOW', names: ['syslog'], capabilities: ['CAP_SYSLOG'] },
    { action: 'SCMP_ACT_ALLOW', names: ['bpf'], capabilities: ['CAP_BPF'] },
    { action: 'SCMP_ACT_ALLOW', names: ['perf_event_open'], capabilities: ['CAP_PERFMON'] },
    { action: 'SCMP_ACT_ERRNO', errnoRet: 1, names: words(`
      acct add_key bpf chroot clock_settime clock_settime64 create_module delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick get_kernel_syms
      get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages
      mount mount_setattr move_mount move_pages nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise query_module quotactl
      quotactl_fd reboot request_key set_mempolicy set_mempolicy_home_node setdomainname sethostname setns settimeofday stime swapoff swapon sysfs _sysctl syslog
      umount umount2 unshare uselib userfaultfd ustat vhangup vm86 vm86old vserver`), unlessAllowed: true },
  ],
}

function words(text: string): readonly string[] { return text.trim().split(/\s+/) }
