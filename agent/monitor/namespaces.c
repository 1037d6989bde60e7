/* `shoal-monitor --namespaces [USER-NAMESPACE]`: holds a new network namespace that belongs to a new user namespace, or to the one that is named,
 * until descriptor 3 ends. Only a process with one thread can enter a user namespace, so the daemon cannot. It writes a byte when they are there. */
#define _GNU_SOURCE
#include "monitor.h"
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

int namespaces_main(int argc, char **argv) {
    if (argc > 2) {
        int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWUSER) != 0) die("setns");
    } else if (unshare(CLONE_NEWUSER) != 0) die("unshare user namespace");
    if (unshare(CLONE_NEWNET) != 0) die("unshare network namespace");
    char byte = 1;
    if (write(CONTROL_FD, &byte, 1) != 1) return 1;
    while (read(CONTROL_FD, &byte, 1) > 0) continue;
    return 0;
}
