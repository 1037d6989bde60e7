/* `docker run --init`: process 1 of a container. Starts the command, passes signals on, reaps orphans, ends with the command's status. */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

int init_main(int argc, char **argv) {
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
    if (first >= argc) { fprintf(stderr, "docker-init: no command\n"); return 2; }
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t child = fork();
    if (child < 0) { perror("docker-init: fork"); return 125; }
    if (child == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_IGN);
        tcsetpgrp(0, getpid());
        signal(SIGTTOU, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(argv[first], argv + first);
        int missing = errno == ENOENT;
        fprintf(stderr, "docker-init: %s: %s\n", argv[first], strerror(errno));
        _exit(missing ? 127 : 126);
    }
    for (;;) {
        int got = sigwaitinfo(&all, NULL);
        if (got < 0) continue;
        if (got != SIGCHLD) { kill(child, got); continue; }
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}
