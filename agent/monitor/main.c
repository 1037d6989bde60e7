/* shoal-monitor: stands between one container (or exec) and the daemon, and outlives the daemon. README.md has the protocol. */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern int epoll_fd, listen_tag;

static struct options options = { .log_files_max = 1 };
static int exit_fd = -1, signal_fd = -1, console_listen = -1, console_fd = -1;
static int out_fd = -1, err_fd = -1, in_fd = -1;      /* our ends; with a terminal all are console_fd */
static int signal_tag, console_tag, out_tag, err_tag, in_tag;
/* As for a killed process, which is the likeliest way to be gone without a status. */
#define EXIT_UNKNOWN 137

static pid_t runtime_pid, container_pid;
static bool launched, exited, output_off, stdin_ending;
static int exit_code;
static int64_t exited_ms;
static struct winsize window;
static struct buffer input;                           /* standard input that the container has not taken yet */
static char state[160] = "{}";

const char *state_json(void) { return state; }
bool stdin_is_full(void) { return buffer_length(&input) > 0; }
bool stdin_closes_with_client(void) { return options.stdin_once && !options.tty; }

/* ---- standard input ---- */

static void flush_input(void) {
    while (in_fd >= 0 && buffer_length(&input) > 0) {
        ssize_t n = write(in_fd, input.data + input.start, buffer_length(&input));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            watch(in_fd, EPOLLOUT, &in_tag);
            clients_input(false);
            return;
        }
        buffer_drop(&input, n < 0 ? buffer_length(&input) : (size_t)n);
    }
    if (in_fd >= 0) unwatch(in_fd);
    if (in_fd >= 0 && stdin_ending) {
        close(in_fd);
        in_fd = -1;
    }
    clients_input(true);
}

void on_stdin(const char *data, size_t n) {
    bool none = launched && in_fd < 0 && console_listen < 0;
    if (none || stdin_ending || exited) return;
    buffer_append(&input, data, n);
    if (in_fd >= 0) flush_input();
    else clients_input(false);
}

void on_stdin_close(void) {
    if (options.tty) return;
    stdin_ending = true;
    if (in_fd >= 0) flush_input();
}

void on_resize(unsigned height, unsigned width) {
    window.ws_row = (unsigned short)height;
    window.ws_col = (unsigned short)width;
    if (console_fd >= 0) ioctl(console_fd, TIOCSWINSZ, &window);
}

/* Only this process reaps the container, so the pid is surely still the container's: no signal can hit a stranger. */
void on_signal(int number) {
    if (container_pid > 0 && !exited) kill(container_pid, number);
}

/* ---- output ---- */

/* What comes while the runtime works waits in the pipes or in the terminal: should it fail, its own complaints are no output of the container. */
static void watch_output(void) {
    if (runtime_pid > 0) return;
    if (options.tty && console_fd >= 0) watch(console_fd, EPOLLIN, &out_tag);
    if (!options.tty && out_fd >= 0) watch(out_fd, EPOLLIN, &out_tag);
    if (!options.tty && err_fd >= 0) watch(err_fd, EPOLLIN, &err_tag);
}

static void unwatch_output(void) {
    if (options.tty && console_fd >= 0) unwatch(console_fd);
    if (!options.tty && out_fd >= 0) unwatch(out_fd);
    if (!options.tty && err_fd >= 0) unwatch(err_fd);
}

static void drop_output(void) {
    if (out_fd >= 0) close(out_fd);
    if (err_fd >= 0) close(err_fd);
    if (console_fd >= 0) close(console_fd);
    out_fd = err_fd = console_fd = -1;
}

/* Reads once; returns false at the end of the stream or when nothing is there. */
static bool pump(int *fd, int stream) {
    static char bytes[READ_SIZE];
    if (*fd < 0) return false;
    ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        unwatch(*fd);
        if (*fd == in_fd) in_fd = -1;
        close(*fd);
        *fd = -1;
        return false;
    }
    log_write(stream, bytes, (size_t)n);
    clients_output(stream, bytes, (size_t)n);
    clients_logged();
    return true;
}

/* ---- the runtime ---- */

/* crun refuses a machine with both cgroup hierarchies: the runtime alone is shown one, in a mount namespace of its own.
 * Only the parent is made private, so that every other mount still propagates as the user asked. */
static void hide_mount(const char *path) {
    char parent[4096];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent) *slash = 0;
    if (unshare(CLONE_NEWNS) != 0) die("unshare");
    mount(NULL, parent, NULL, MS_PRIVATE, NULL);
    mount(NULL, path, NULL, MS_PRIVATE, NULL);
    if (umount2(path, MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) die("umount2");
    /* crun makes folders and files wherever the mount point stands: into this, they go away with the container. */
    mount("none", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=755");
}

/* All 64, as the kernel's own call does it: posix_spawn leaves the C library's two ignored, and signal() refuses those. */
static void reset_signals(void) {
    struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } standard = { 0 };
    for (int s = 1; s <= 64; s++) syscall(SYS_rt_sigaction, s, &standard, NULL, sizeof standard.mask);
}

/* What goes wrong before the runtime is there is told on our own standard error: its own is the container's. */
static void run_child(int in, int out, int err) {
    if (options.hidden_mount != NULL) hide_mount(options.hidden_mount);
    int own_stderr = fcntl(2, F_DUPFD_CLOEXEC, 3);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    reset_signals();
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    execvp(options.runtime[0], options.runtime);
    dprintf(own_stderr, "shoal-monitor: %s: %s\n", options.runtime[0], strerror(errno));
    _exit(127);
}

static void listen_console(void) {
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "console" };
    unlink("console");
    console_listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (console_listen < 0 || bind(console_listen, (struct sockaddr *)&address, sizeof address) != 0 || listen(console_listen, 1) != 0) die("console socket");
    watch(console_listen, EPOLLIN, &console_tag);
}

/* The runtime connects and passes the terminal's master as ancillary data. */
static void accept_console(void) {
    int peer = accept4(console_listen, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0) return;
    char name[256], control[CMSG_SPACE(sizeof(int))];
    struct iovec part = { name, sizeof name };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    ssize_t n = recvmsg(peer, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
        memcpy(&console_fd, CMSG_DATA(c), sizeof(int));
        fcntl(console_fd, F_SETFL, O_NONBLOCK);
        if (window.ws_row > 0) ioctl(console_fd, TIOCSWINSZ, &window);
        in_fd = dup(console_fd);
        fcntl(in_fd, F_SETFD, FD_CLOEXEC);
        if (!output_off) watch_output();
        flush_input();
    }
    close(peer);
    unwatch(console_listen);
    close(console_listen);
    console_listen = -1;
    unlink("console");
}

/* /dev/null as a read-only mount shows it, which still takes what is written to it. Runtimes give the container's user its standard streams, and a
 * container in a user namespace the host's own device: its owner and mode are not to be theirs (agent/DECISIONS.md D-491). */
static int open_null(void) {
    struct { uint64_t set, clear, propagation, userns; } restrict_to = { 1 | 2 | 8, 0, 0, 0 }; /* read-only, no set-uid, no programs: mount_setattr(2) */
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/dev/null", 1 | O_CLOEXEC);             /* OPEN_TREE_CLONE */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", tree);
    int fd = tree >= 0 && syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &restrict_to, sizeof restrict_to) == 0 ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (tree >= 0) close(tree);
    return fd >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* In a user namespace nobody could open again what belongs to the host's root. */
static void give(int fd) {
    if (options.owner_uid != 0 && fchown(fd, (uid_t)options.owner_uid, (gid_t)options.owner_gid) != 0) die("fchown");
}

/* A failing runtime's own words go to its log, which the daemon reads; its stdio is the container's. */
static void launch(void) {
    int null = open_null(), in[2] = { null, -1 }, out[2] = { null, -1 }, err[2] = { null, -1 };
    if (null < 0) die("/dev/null");
    if (options.tty) listen_console();
    else {
        if (options.keep_stdin && pipe2(in, O_CLOEXEC) != 0) die("pipe");
        if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) die("pipe");
        if (options.keep_stdin) give(in[0]);
        give(out[1]);
        give(err[1]);
        if (options.keep_stdin) { in_fd = in[1]; fcntl(in_fd, F_SETFL, O_NONBLOCK); }
        out_fd = out[0];
        err_fd = err[0];
        fcntl(out_fd, F_SETFL, O_NONBLOCK);
        fcntl(err_fd, F_SETFL, O_NONBLOCK);
    }
    runtime_pid = fork();
    if (runtime_pid < 0) die("fork");
    if (runtime_pid == 0) run_child(in[0], options.tty ? null : out[1], options.tty ? null : err[1]);
    launched = true;
    if (in[0] != null) close(in[0]);
    if (out[1] >= 0) close(out[1]);
    if (err[1] >= 0) close(err[1]);
    close(null);
    watch_output();
    flush_input();
}

void on_go(void) {
    if (!launched) launch();
}

/* With -a the runtime is called once the client that came along is attached, or is known to be gone. */
void on_first_client(void) {
    if (options.first_client && !launched) launch();
}

/* The daemon died before it told to go on: nobody will. Descriptor 3 may be another client's later, which then means nothing. */
void on_control_gone(void) {
    if (launched) return;
    unlink("s");
    _exit(0);
}

static void read_pid(void) {
    char text[32] = "";
    int fd = open("pid", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) container_pid = (pid_t)atoi(text);
    if (fd >= 0) close(fd);
}

/* A process that is quicker than our loop may have ended already: what it wrote waits in the terminal that the runtime has handed over. */
static void runtime_done(int status) {
    runtime_pid = 0;
    if (console_listen >= 0) accept_console();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) read_pid();
    if (container_pid > 0) snprintf(state, sizeof state, "{\"pid\":%d}", container_pid);
    else {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        snprintf(state, sizeof state, "{\"failed\":%d}", code);
        exited = true;
        exit_code = code;
        exited_ms = now_ms();
        drop_output();
    }
    if (!output_off) watch_output();
    clients_broadcast(F_START, state);
}

/* While the runtime works only it is waited for: the container's pid is not known yet, and its status must not be lost. */
static void reap(void) {
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) > 0) continue;
    int status;
    if (runtime_pid > 0) {
        if (waitpid(runtime_pid, &status, WNOHANG) != runtime_pid) return;
        runtime_done(status);
    }
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != container_pid || exited) continue;
        exited = true;
        exited_ms = now_ms();
        exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    /* The runtime took the status before it ended: the process is gone, how it ended nobody can tell. Better lost than waited for without end. */
    if (pid < 0 && errno == ECHILD && container_pid > 0 && !exited) {
        exited = true;
        exited_ms = now_ms();
        exit_code = EXIT_UNKNOWN;
    }
}

/* ---- the end ---- */

/* "oom_kill N" stands in memory.oom_control (v1) and memory.events (v2) alike. */
static long oom_kills(void) {
    char text[1024] = "";
    int fd = options.oom_path != NULL ? open(options.oom_path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    char *at = n > 0 ? strstr(text, "oom_kill ") : NULL;
    return at != NULL ? atol(at + 9) : 0;
}

/* How it ended must be known even if the disk is full by then: the room for it is taken before the container runs. */
static void reserve_exit_file(void) {
    char room[sizeof state];
    memset(room, ' ', sizeof room);
    exit_fd = open("exit.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (exit_fd < 0 || write(exit_fd, room, sizeof room) != (ssize_t)sizeof room) die("exit file");
}

/* Written in place and shortened, which needs no room. A file that is not whole is never called "exit". */
static void write_exit_file(const char *text) {
    size_t n = strlen(text);
    if (pwrite(exit_fd, text, n, 0) != (ssize_t)n || ftruncate(exit_fd, (off_t)n) != 0 || rename("exit.new", "exit") != 0) perror("shoal-monitor: exit file");
    close(exit_fd);
}

/* After the exit a pipe holds all that was written before it. Reading just that ends even if a process left behind goes on writing. */
static void drain_pipe(int *fd, int stream) {
    int left = 0;
    if (*fd < 0 || ioctl(*fd, FIONREAD, &left) != 0) return;
    for (int rounds = left / READ_SIZE + 1; rounds > 0 && pump(fd, stream); rounds--) continue;
}

/* A terminal's buffer is filled by a kernel worker: wait for its end, for a while. */
static bool output_drained(void) {
    if (!options.tty) {
        drain_pipe(&out_fd, F_STDOUT);
        drain_pipe(&err_fd, F_STDERR);
        return true;
    }
    while (now_ms() - exited_ms <= TTY_DRAIN_MS && pump(&console_fd, F_STDOUT)) continue;
    return console_fd < 0 || now_ms() - exited_ms > TTY_DRAIN_MS;
}

static void finish(void) {
    log_finish();
    bool failed = strstr(state, "failed") != NULL;
    if (!failed) {
        snprintf(state, sizeof state, "{\"pid\":%d,\"code\":%d,\"oom_kill\":%ld,\"at\":\"%llu\"}", container_pid, exit_code, oom_kills(), (unsigned long long)wall_ns());
        write_exit_file(state);
        clients_broadcast(F_EXIT, state);
    }
}

/* ---- start ---- */

static void parse(int argc, char **argv) {
    int opt;
    while ((opt = getopt(argc, argv, "+d:l:m:n:j:o:u:c:ti1wa")) != -1) {
        switch (opt) {
        case 'd': options.directory = optarg; break;
        case 'l': options.log_path = optarg; break;
        case 'm': options.log_bytes_max = atoll(optarg); break;
        case 'n': options.log_files_max = atoi(optarg); break;
        case 'j': options.json_attributes = optarg; break;
        case 'o': options.oom_path = optarg; break;
        case 'c': if (sscanf(optarg, "%ld:%ld", &options.owner_uid, &options.owner_gid) != 2) _exit(2); break;
        case 'u': options.hidden_mount = optarg; break;
        case 't': options.tty = true; break;
        case 'i': options.keep_stdin = true; break;
        case '1': options.stdin_once = true; break;
        case 'w': options.wait_for_go = true; break;
        case 'a': options.first_client = true; break;
        default: _exit(2);
        }
    }
    options.runtime = argv + optind;
    if (options.directory == NULL || argv[optind] == NULL) {
        fprintf(stderr, "usage: shoal-monitor -d DIRECTORY [-l LOG -m BYTES -n FILES [-j ATTRIBUTES]] [-o OOM-FILE] [-u HIDDEN-MOUNT] [-c UID:GID] [-t] [-i] [-1] [-w | -a] -- RUNTIME ARGUMENT...\n");
        _exit(2);
    }
}

static void prepare(void) {
    /* Asked before anything is opened here, which would take the number of a descriptor that was not handed over. */
    bool has_control = fcntl(CONTROL_FD, F_GETFD) >= 0, has_client = options.first_client && fcntl(CLIENT_FD, F_GETFD) >= 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (chdir(options.directory) != 0) die(options.directory);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (epoll_fd < 0 || signal_fd < 0) die("epoll or signalfd");
    watch(signal_fd, EPOLLIN, &signal_tag);
    log_open(&options);
    reserve_exit_file();
    clients_listen("s");
    if (!has_control) return;
    fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    fcntl(CONTROL_FD, F_SETFL, O_NONBLOCK);
    struct client *control = client_add(CONTROL_FD);
    if (control != NULL) client_send(control, F_ATTACH, state, strlen(state));
    if (!has_client) return;
    fcntl(CLIENT_FD, F_SETFD, FD_CLOEXEC);
    fcntl(CLIENT_FD, F_SETFL, O_NONBLOCK);
    client_add(CLIENT_FD);
}

static void dispatch(void *tag, uint32_t events) {
    if (tag == &signal_tag) reap();
    else if (tag == &listen_tag) clients_accept();
    else if (tag == &console_tag) accept_console();
    else if (tag == &out_tag) pump(options.tty ? &console_fd : &out_fd, F_STDOUT);
    else if (tag == &err_tag) pump(&err_fd, F_STDERR);
    else if (tag == &in_tag) flush_input();
    else client_event(tag, events);
}

static void balance_output(void) {
    bool stall = clients_stall();
    if (stall == output_off) return;
    output_off = stall;
    if (stall) unwatch_output();
    else watch_output();
}

int main(int argc, char **argv) {
    const char *name = strrchr(argv[0], '/');
    if (strcmp(name != NULL ? name + 1 : argv[0], "docker-init") == 0) return init_main(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) return printf("shoal-monitor %d\n", PROTOCOL) < 0;
    if (argc >= 2 && strcmp(argv[1], "--namespaces") == 0) return namespaces_main(argc, argv);
    parse(argc, argv);
    prepare();
    if (!options.wait_for_go && !options.first_client) launch();
    while (!exited || !output_drained()) {
        struct epoll_event event;
        int n = epoll_wait(epoll_fd, &event, 1, exited ? 10 : output_off ? 100 : -1);
        if (n == 1) dispatch(event.data.ptr, event.events);
        if (output_off) clients_drop_stuck();
        if (!exited) balance_output();
    }
    finish();
    int64_t until = now_ms() + LINGER_MS;
    unlink("s");
    clients_input(true);
    while (clients_end() && now_ms() < until) {
        struct epoll_event event;
        if (epoll_wait(epoll_fd, &event, 1, 50) == 1) dispatch(event.data.ptr, event.events);
    }
    return 0;
}
