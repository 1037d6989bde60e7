/* The log file: lines of JSON (json.c), or records of {u64 little-endian wall-clock ns}{8-byte frame header}{bytes}, as read from the container, so that
 * reading it back without timestamps is a copy. Rotated at record boundaries: log, log.1, log.2, ... the oldest is removed. */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int log_fd = -1;
static long long log_size, lost_bytes;
static int64_t tried_ms;
/* Of a log of lines: those to be written, the beginnings of lines whose end has not come (of both streams), the time of the next line. */
static struct buffer lines, unfinished[2];
static uint64_t line_ns;
static const struct options *options;

static void reopen(int extra) {
    if (log_fd >= 0) close(log_fd);
    log_fd = open(options->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | extra, 0640);
    struct stat st;
    log_size = log_fd >= 0 && fstat(log_fd, &st) == 0 ? st.st_size : 0;
}

void log_open(const struct options *o) {
    options = o;
    if (o->log_path == NULL) return;
    reopen(0);
    if (log_fd < 0) die("open log");
}

static void rotate(void) {
    char from[4096], to[4096];
    for (int i = options->log_files_max - 1; i > 0; i--) {
        snprintf(to, sizeof to, "%s.%d", options->log_path, i);
        if (i == 1) snprintf(from, sizeof from, "%s", options->log_path);
        else snprintf(from, sizeof from, "%s.%d", options->log_path, i - 1);
        rename(from, to);
    }
    /* A reader still has the old file open, so a single file is replaced, never truncated under it. */
    if (options->log_files_max <= 1) unlink(options->log_path);
    reopen(0);
}

static bool put(struct iovec *parts, int count, size_t n) {
    ssize_t wrote = writev(log_fd, parts, count);
    if (wrote == (ssize_t)n) { log_size += wrote; return true; }
    if (wrote >= 0) errno = ENOSPC;
    int reason = errno;
    /* A full disk loses this record, never the framing of the next one, and never the container. */
    if (wrote > 0 && ftruncate(log_fd, log_size) != 0) reopen(0);
    errno = reason;
    return false;
}

static bool append(int stream, const char *data, size_t n) {
    unsigned char head[16];
    uint64_t at = wall_ns();
    for (int i = 0; i < 8; i++) head[i] = (unsigned char)(at >> (8 * i));
    memset(head + 8, 0, 4);
    head[8] = (unsigned char)stream;
    for (int i = 0; i < 4; i++) head[12 + i] = (unsigned char)(n >> (24 - 8 * i));
    struct iovec parts[2] = { { head, sizeof head }, { (void *)data, n } };
    return put(parts, 2, n + sizeof head);
}

static bool put_lines(size_t n) {
    struct iovec part = { lines.data + lines.start, n };
    bool done = n == 0 || put(&part, 1, n);
    buffer_drop(&lines, n);
    return done;
}

/* False when lines before this one could not be written; they are dropped then. */
static bool add_line(int stream, const char *text, size_t n) {
    size_t before = buffer_length(&lines);
    json_line(&lines, stream, text, n, line_ns++, options->json_attributes);
    if (options->log_bytes_max == 0 || log_size + (long long)before == 0 || log_size + (long long)buffer_length(&lines) <= options->log_bytes_max) return true;
    bool done = put_lines(before);
    rotate();
    return done;
}

/* A line is written when its end is there; the time of each is its own, so that two equal ones are two. */
static bool append_lines(int stream, const char *data, size_t n) {
    struct buffer *open = &unfinished[stream == F_STDERR];
    uint64_t now = wall_ns();
    bool done = true;
    if (line_ns < now) line_ns = now;
    while (n > 0) {
        const char *end = memchr(data, '\n', n);
        size_t room = LINE_MAX_BYTES - buffer_length(open), piece = end != NULL ? (size_t)(end - data) + 1 : n;
        bool whole = piece >= room || end != NULL;
        if (piece > room) piece = room;
        if (whole && buffer_length(open) == 0) done = add_line(stream, data, piece) && done;
        else {
            buffer_append(open, data, piece);
            if (whole) {
                done = add_line(stream, open->data + open->start, buffer_length(open)) && done;
                buffer_drop(open, buffer_length(open));
            }
        }
        data += piece;
        n -= piece;
    }
    return put_lines(buffer_length(&lines)) && done;
}

/* What was lost is told where it is missing, as soon as there is room to: nobody would look for it elsewhere. */
static bool tell_loss(void) {
    if (lost_bytes == 0) return true;
    char text[128];
    int n = snprintf(text, sizeof text, "shoal-monitor: %lld bytes of output could not be logged here\n", lost_bytes);
    if (!(options->json_attributes != NULL ? append_lines(F_STDERR, text, (size_t)n) : append(F_STDERR, text, (size_t)n))) return false;
    lost_bytes = 0;
    return true;
}

static bool is_open(void) {
    if (log_fd >= 0) return true;
    if (now_ms() - tried_ms < LOG_RETRY_MS) return false;
    tried_ms = now_ms();
    reopen(0);
    return log_fd >= 0;
}

static void note_loss(size_t n) {
    if (lost_bytes == 0) fprintf(stderr, "shoal-monitor: log: %s\n", strerror(errno));
    lost_bytes += (long long)n;
}

void log_write(int stream, const char *data, size_t n) {
    if (options->log_path == NULL) return;
    if (options->json_attributes != NULL) {
        if (is_open() && tell_loss() && append_lines(stream, data, n)) return;
        note_loss(n);
        return;
    }
    if (log_fd >= 0 && options->log_bytes_max > 0 && log_size > 0 && log_size + (long long)n + 16 > options->log_bytes_max) rotate();
    if (is_open() && tell_loss() && append(stream, data, n)) return;
    note_loss(n);
}

void log_finish(void) {
    if (options->log_path == NULL || options->json_attributes == NULL || !is_open()) return;
    for (int i = 0; i < 2; i++) {
        struct buffer *open = &unfinished[i];
        if (buffer_length(open) > 0) add_line(i == 0 ? F_STDOUT : F_STDERR, open->data + open->start, buffer_length(open));
    }
    put_lines(buffer_length(&lines));
}
