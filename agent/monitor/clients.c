/* Connections: each has a bounded output queue, so that none can hold up the container for longer than STUCK_MS. */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct client *clients[CLIENTS_MAX];
static int listen_fd = -1, spare_fd = -1;
int listen_tag;

void clients_listen(const char *path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    unlink(path);
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0077);
    if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(listen_fd, 16) != 0) die("listen");
    umask(old);
    spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    watch(listen_fd, EPOLLIN, &listen_tag);
}

struct client *client_add(int fd) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i] != NULL) continue;
        struct client *c = calloc(1, sizeof *c);
        if (c == NULL) break;
        c->fd = fd;
        clients[i] = c;
        watch(fd, EPOLLIN, c);
        return c;
    }
    close(fd);
    return NULL;
}

void clients_accept(void) {
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) { client_add(fd); return; }
    if (errno != EMFILE && errno != ENFILE) return;
    /* Left in the queue, the connection would wake the loop for ever: the spare descriptor is given up to turn it away. */
    close(spare_fd);
    close(accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
    spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void client_remove(struct client *c) {
    bool had_stdin = c->attached && (c->wants & W_STDIN), was_control = c->fd == CONTROL_FD, was_first = c->fd == CLIENT_FD;
    unwatch(c->fd);
    close(c->fd);
    free(c->out.data);
    for (int i = 0; i < CLIENTS_MAX; i++) if (clients[i] == c) clients[i] = NULL;
    /* Freed at the end of the loop's turn would be safer against stale events; the loop takes one event at a time instead. */
    free(c);
    if (was_control) on_control_gone();
    if (was_first) on_first_client();
    if (had_stdin && stdin_closes_with_client()) on_stdin_close();
}

static void rewatch(struct client *c) {
    uint32_t events = (c->input_off ? 0 : EPOLLIN) | (buffer_length(&c->out) > 0 ? EPOLLOUT : 0);
    if (events == 0) unwatch(c->fd);
    else watch(c->fd, events, c);
}

/* Returns false when the peer is gone. */
static bool flush(struct client *c) {
    while (buffer_length(&c->out) > 0) {
        ssize_t n = send(c->fd, c->out.data + c->out.start, buffer_length(&c->out), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        c->progress_ms = now_ms();
        buffer_drop(&c->out, (size_t)n);
    }
    c->logged_pending = false;
    return true;
}

void client_send(struct client *c, int type, const void *data, size_t n) {
    if (c->closing) return;
    unsigned char head[HEADER_SIZE] = { (unsigned char)type, 0, 0, 0, (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };
    if (buffer_length(&c->out) == 0) c->progress_ms = now_ms();
    buffer_append(&c->out, head, sizeof head);
    if (n > 0) buffer_append(&c->out, data, n);
    if (!flush(c)) { c->closing = true; buffer_drop(&c->out, buffer_length(&c->out)); }
    /* A client that is gone is removed by its own hang-up event, never here: a caller may be walking the table. */
    if (c->closing) { c->input_off = false; watch(c->fd, EPOLLIN, c); }
    else rewatch(c);
}

void clients_output(int stream, const char *data, size_t n) {
    unsigned want = stream == F_STDOUT ? W_STDOUT : W_STDERR;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = clients[i];
        if (c != NULL && c->attached && (c->wants & want)) client_send(c, stream, data, n);
    }
}

void clients_logged(void) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = clients[i];
        if (c == NULL || !(c->wants & W_FOLLOW) || c->logged_pending) continue;
        c->logged_pending = true;
        client_send(c, F_LOGGED, NULL, 0);
    }
}

void clients_broadcast(int type, const char *text) {
    for (int i = 0; i < CLIENTS_MAX; i++) if (clients[i] != NULL) client_send(clients[i], type, text, strlen(text));
}

bool clients_stall(void) {
    for (int i = 0; i < CLIENTS_MAX; i++) if (clients[i] != NULL && buffer_length(&clients[i]->out) > QUEUE_MAX) return true;
    return false;
}

/* Each is told that no more comes once it has been sent all; who is still there after that has not taken it, or not seen the end.
 * Closing at once would fail a client's next write, and with it lose what it had not read. */
bool clients_end(void) {
    bool any = false;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = clients[i];
        if (c == NULL) continue;
        any = true;
        if (c->ended || c->closing || buffer_length(&c->out) > 0) continue;
        shutdown(c->fd, SHUT_WR);
        c->ended = true;
    }
    return any;
}

void clients_drop_stuck(void) {
    int64_t now = now_ms();
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = clients[i];
        if (c != NULL && buffer_length(&c->out) > QUEUE_MAX && now - c->progress_ms > STUCK_MS) client_remove(c);
    }
}

void clients_input(bool on) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = clients[i];
        if (c == NULL || c->closing || !(c->wants & W_STDIN) || c->input_off == !on) continue;
        c->input_off = !on;
        rewatch(c);
    }
}

static void attach(struct client *c, unsigned wants) {
    c->attached = true;
    c->wants = wants;
    client_send(c, F_ATTACH, state_json(), strlen(state_json()));
    if ((wants & W_STDIN) && stdin_is_full()) clients_input(false);
    if (c->fd == CLIENT_FD) on_first_client();
}

static void take_frame(struct client *c, const unsigned char *body, uint32_t n) {
    switch ((unsigned char)c->head[0]) {
    case F_ATTACH: attach(c, n > 0 ? body[0] : 0); break;
    case F_STDIN_CLOSE: if (c->wants & W_STDIN) on_stdin_close(); break;
    case F_RESIZE: if (n >= 4) on_resize((unsigned)(body[0] << 8 | body[1]), (unsigned)(body[2] << 8 | body[3])); break;
    case F_SIGNAL: if (n >= 1) on_signal(body[0]); break;
    case F_START: on_go(); break;
    default: break;
    }
}

/* Consumes bytes from a client; false when it breaks the protocol. Only standard input has bodies longer than 8 bytes. */
static bool take_bytes(struct client *c, const char *data, size_t n) {
    while (n > 0) {
        if (c->stdin_left > 0) {
            size_t take = n < c->stdin_left ? n : c->stdin_left;
            /* Only those that asked for standard input are paused when it is full; what others send would pile up. */
            if (c->wants & W_STDIN) on_stdin(data, take);
            c->stdin_left -= (uint32_t)take;
            data += take;
            n -= take;
            continue;
        }
        c->head[c->head_length++] = *data++;
        n--;
        if (c->head_length < HEADER_SIZE) continue;
        const unsigned char *h = (const unsigned char *)c->head;
        uint32_t length = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
        if (h[0] == F_STDIN) { c->stdin_left = length; c->head_length = 0; continue; }
        if (length > 8) return false;
        if (c->head_length < HEADER_SIZE + length) continue;
        c->head_length = 0;
        take_frame(c, h + HEADER_SIZE, length);
    }
    return true;
}

void client_event(struct client *c, uint32_t events) {
    static char bytes[READ_SIZE];
    if (events & EPOLLOUT && !flush(c)) { client_remove(c); return; }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t n = read(c->fd, bytes, sizeof bytes);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || (n > 0 && !take_bytes(c, bytes, (size_t)n)) || (n < 0 && c->closing)) { client_remove(c); return; }
    }
    if (!c->closing) rewatch(c);
}
