/* What the files of the monitor share. One process serves one container (or one exec), so its state is one struct. */
#ifndef SHOAL_MONITOR_H
#define SHOAL_MONITOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Frame types; the 8-byte header is {type, 0, 0, 0, big-endian length}. README.md describes each. */
enum frame { F_STDIN = 0, F_STDOUT = 1, F_STDERR = 2, F_STDIN_CLOSE = 5, F_RESIZE = 6, F_ATTACH = 7, F_START = 8, F_EXIT = 9, F_SIGNAL = 10, F_LOGGED = 11 };
/* What a client asks for in its attach frame. */
enum want { W_STDOUT = 1, W_STDERR = 2, W_STDIN = 4, W_FOLLOW = 8 };

#define PROTOCOL 4                  /* raised with every option or frame that a daemon may not find in an older monitor; agent/kernel/monitor-protocol.ts says the same */

#define HEADER_SIZE 8
#define READ_SIZE 32768             /* one read of container output, so also the longest log record and output frame */
#define QUEUE_MAX (1024 * 1024)     /* output waiting for one client; beyond it the container's output is left in its pipe */
#define STUCK_MS 2000               /* a client with a full queue that takes nothing for so long is dropped */
#define CLIENTS_MAX 64              /* attachments, followers and daemons of one container */
#define LINGER_MS 2000              /* after the exit, how long clients may take to read what is queued and to go */
#define LINE_MAX_BYTES 16384        /* a longer line is logged in pieces, as Docker does */
#define TTY_DRAIN_MS 500            /* after the exit, how long the terminal's last output may take to arrive */
#define LOG_RETRY_MS 1000           /* a log that could not be opened is tried again, so often at most */
#define CONTROL_FD 3                /* the connection that the daemon hands over at start */
#define CLIENT_FD 4                 /* with -a: a client's connection that it hands over as well */

struct buffer { char *data; size_t start, end, size; };
void buffer_append(struct buffer *b, const void *data, size_t n);
void buffer_drop(struct buffer *b, size_t n);
static inline size_t buffer_length(const struct buffer *b) { return b->end - b->start; }

struct options {
    const char *json_attributes;    /* the log is lines of JSON with these, or none (""); NULL: records */
    const char *directory, *log_path, *hidden_mount, *oom_path;
    long long log_bytes_max;
    int log_files_max;
    long owner_uid, owner_gid;      /* who the container's standard streams belong to */
    bool tty, keep_stdin, stdin_once, wait_for_go, first_client;
    char **runtime;
};

/* log.c */
void log_open(const struct options *o);
void log_write(int stream, const char *data, size_t n);
void log_finish(void);              /* writes down lines that have no end */

/* json.c */
void json_line(struct buffer *out, int stream, const char *text, size_t n, uint64_t at_ns, const char *attributes);

/* clients.c: connections over the Unix socket */
struct client {
    int fd;
    unsigned wants;
    bool attached, closing, ended, input_off, logged_pending;
    int64_t progress_ms;
    struct buffer out;
    char head[HEADER_SIZE + 8];
    size_t head_length;
    uint32_t stdin_left;            /* payload bytes of a stdin frame still to come */
};
void clients_listen(const char *path);
struct client *client_add(int fd);
void client_send(struct client *c, int type, const void *data, size_t n);
void clients_output(int stream, const char *data, size_t n);
void clients_logged(void);
void clients_broadcast(int type, const char *text);
void clients_accept(void);
void client_event(struct client *c, uint32_t events);
bool clients_stall(void);           /* some queue is full */
bool clients_end(void);             /* ends the connections that have been sent all; false when all are gone */
void clients_drop_stuck(void);
void clients_input(bool on);        /* stop or go on reading from clients that send standard input */

/* main.c: what clients ask for */
void on_stdin(const char *data, size_t n);
void on_stdin_close(void);
void on_resize(unsigned height, unsigned width);
void on_signal(int signal);
void on_go(void);
void on_control_gone(void);
void on_first_client(void);
bool stdin_is_full(void);
const char *state_json(void);
bool stdin_closes_with_client(void);

/* loop.c: epoll and small things */
int64_t now_ms(void);
uint64_t wall_ns(void);
void watch(int fd, uint32_t events, void *tag);
void unwatch(int fd);
void die(const char *what);

/* init.c: the same binary as a container's init process */
int init_main(int argc, char **argv);

/* namespaces.c: the same binary as a holder of namespaces */
int namespaces_main(int argc, char **argv);
#endif
