/* Lines of the driver json-file, as Docker writes them: {"log":"text\n","stream":"stdout","attrs":{…},"time":"2024-01-02T03:04:05.000000006Z"}.
 * Text that is not UTF-8 becomes U+FFFD, and what HTML or JavaScript would take for its own is escaped, as Go does. */
#define _GNU_SOURCE
#include "monitor.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Bytes of the UTF-8 character at the beginning, 0 when there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s, size_t n) {
    unsigned char lead = s[0], low = 0x80, high = 0xbf;
    size_t length = lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
    if (length == 0 || length > n) return 0;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < length; i++) if ((s[i] & 0xc0) != 0x80) return 0;
    return length;
}

static bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'; }

static void append_escaped(struct buffer *out, const unsigned char *s, size_t n) {
    for (size_t at = 0; at < n;) {
        size_t run = at;
        while (run < n && is_plain(s[run])) run++;
        if (run > at) buffer_append(out, s + at, run - at);
        if (run == n) return;
        at = run;
        unsigned char c = s[at];
        size_t length = c >= 0x80 ? utf8_length(s + at, n - at) : 1;
        char code[8];
        if (length == 0) { buffer_append(out, "\\ufffd", 6); at++; continue; }
        if (length == 3 && s[at] == 0xe2 && s[at + 1] == 0x80 && (s[at + 2] & 0xfe) == 0xa8) {
            buffer_append(out, s[at + 2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
        } else if (length > 1) buffer_append(out, s + at, length);
        else if (c == '\n') buffer_append(out, "\\n", 2);
        else if (c == '\r') buffer_append(out, "\\r", 2);
        else if (c == '"' || c == '\\') { code[0] = '\\'; code[1] = (char)c; buffer_append(out, code, 2); }
        else { snprintf(code, sizeof code, "\\u%04x", c); buffer_append(out, code, 6); }
        at += length;
    }
}

/* Always nine digits. The text of a second is made once. */
static void append_time(struct buffer *out, uint64_t at_ns) {
    static time_t known = -1;
    static char text[40];
    time_t second = (time_t)(at_ns / 1000000000u);
    if (second != known) {
        struct tm parts;
        gmtime_r(&second, &parts);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts);
        known = second;
    }
    char nanos[16];
    uint64_t rest = at_ns % 1000000000u;
    for (int i = 8; i >= 0; i--) { nanos[i] = (char)('0' + rest % 10); rest /= 10; }
    buffer_append(out, text, strlen(text));
    buffer_append(out, nanos, 9);
}

void json_line(struct buffer *out, int stream, const char *text, size_t n, uint64_t at_ns, const char *attributes) {
    buffer_append(out, "{\"log\":\"", 8);
    append_escaped(out, (const unsigned char *)text, n);
    buffer_append(out, stream == F_STDERR ? "\",\"stream\":\"stderr\"" : "\",\"stream\":\"stdout\"", 19);
    if (attributes[0] != 0) {
        buffer_append(out, ",\"attrs\":", 9);
        buffer_append(out, attributes, strlen(attributes));
    }
    buffer_append(out, ",\"time\":\"", 9);
    append_time(out, at_ns);
    buffer_append(out, "Z\"}\n", 4);
}
