/* The log file: records of {u64 little-endian wall-clock ns}{8-byte frame header}{bytes}, as read from the container, so that
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

static bool append(int stream, const char *data, size_t n) {
    unsigned char head[16];
    uint64_t at = wall_ns();
    for (int i = 0; i < 8; i++) head[i] = (unsigned char)(at >> (8 * i));
    memset(head + 8, 0, 4);
    head[8] = (unsigned char)stream;
    for (int i = 0; i < 4; i++) head[12 + i] = (unsigned char)(n >> (24 - 8 * i));
    struct iovec parts[2] = { { head, sizeof head }, { (void *)data, n } };
    ssize_t wrote = writev(log_fd, parts, 2);
    if (wrote == (ssize_t)(n + 16)) { log_size += wrote; return true; }
    if (wrote >= 0) errno = ENOSPC;
    int reason = errno;
    /* A full disk loses this record, never the framing of the next one, and never the container. */
    if (wrote > 0 && ftruncate(log_fd, log_size) != 0) reopen(0);
    errno = reason;
    return false;
}

/* What was lost is told where it is missing, as soon as there is room to: nobody would look for it elsewhere. */
static bool tell_loss(void) {
    if (lost_bytes == 0) return true;
    char text[128];
    int n = snprintf(text, sizeof text, "shoal-monitor: %lld bytes of output could not be logged here\n", lost_bytes);
    if (!append(F_STDERR, text, (size_t)n)) return false;
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

void log_write(int stream, const char *data, size_t n) {
    if (options->log_path == NULL) return;
    if (log_fd >= 0 && options->log_bytes_max > 0 && log_size > 0 && log_size + (long long)n + 16 > options->log_bytes_max) rotate();
    if (is_open() && tell_loss() && append(stream, data, n)) return;
    if (lost_bytes == 0) fprintf(stderr, "shoal-monitor: log: %s\n", strerror(errno));
    lost_bytes += (long long)n;
}
