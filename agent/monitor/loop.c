/* The event loop's primitives and the byte buffer. */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

int epoll_fd = -1;

void die(const char *what) {
    fprintf(stderr, "shoal-monitor: %s: %s\n", what, strerror(errno));
    _exit(125);
}

int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void watch(int fd, uint32_t events, void *tag) {
    struct epoll_event e = { .events = events, .data = { .ptr = tag } };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0) return;
    if (errno != EEXIST || epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &e) != 0) die("epoll_ctl");
}

/* Level-triggered hang-ups are reported even with no events asked for, so a pause takes the descriptor out. */
void unwatch(int fd) { epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL); }

void buffer_append(struct buffer *b, const void *data, size_t n) {
    if (b->start > 0 && b->end + n > b->size) {
        memmove(b->data, b->data + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    if (b->end + n > b->size) {
        size_t size = b->size ? b->size : 4096;
        while (size < b->end + n) size *= 2;
        char *grown = realloc(b->data, size);
        if (grown == NULL) die("out of memory");
        b->data = grown;
        b->size = size;
    }
    memcpy(b->data + b->end, data, n);
    b->end += n;
}

/* An empty buffer gives its memory back: most monitors are idle for most of their life. */
void buffer_drop(struct buffer *b, size_t n) {
    b->start += n;
    if (b->start < b->end) return;
    free(b->data);
    memset(b, 0, sizeof *b);
}
