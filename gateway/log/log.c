/* log: builds one bounded, escaped line on the stack and hands it to a single write(2). */
#include "gateway/log/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define ELLIPSIS "\xe2\x80\xa6"
#define TAIL_BYTES (sizeof ELLIPSIS - 1 + sizeof "\"}\n" - 1) /* always left free for the end of the line */

enum journal { JOURNAL_UNKNOWN, JOURNAL_NO, JOURNAL_YES };

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};
static const char *const level_priorities[] = {"<3>", "<4>", "<5>", "<6>", "<7>"}; /* sd-daemon(3) */

static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_int current_format = LOG_FORMAT_TEXT;
static atomic_int current_journal = JOURNAL_UNKNOWN;

static pthread_mutex_t observer_mutex = PTHREAD_MUTEX_INITIALIZER;
static void (*observer_call)(void *arg, enum log_level level, const char *event, const char *message);
static void *observer_arg;

struct line {
    char bytes[LINE_MAX_BYTES];
    size_t length;
    bool cut; /* something did not fit: nothing more is taken */
};

/* JOURNAL_STREAM is inherited by programs whose stderr was redirected since: systemd.exec(5) asks to compare. */
static enum journal find_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    if (!stream || fstat(STDERR_FILENO, &status) != 0)
        return JOURNAL_NO;
    char expected[64];
    snprintf(expected, sizeof expected, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, expected) == 0 ? JOURNAL_YES : JOURNAL_NO;
}

static void put(struct line *line, const char *bytes, size_t length)
{
    if (line->cut || length > sizeof line->bytes - TAIL_BYTES - line->length) {
        line->cut = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Length of the UTF-8 sequence at text (RFC 3629: no overlong forms, no surrogates), 0 when there is none. */
static size_t utf8_length(const char *text, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)text;
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (length < 2) {
        *code = at[0];
        return length;
    }
    *code = at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) { /* the NUL at the end of the text is no continuation byte */
        if (at[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (at[i] & 0x3fu);
    }
    if (*code < smallest[length] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
        return 0;
    return length;
}

/* What could move a terminal, break the line, or make it read otherwise than it is. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void put_escaped(struct line *line, const char *text, enum log_format format)
{
    while (*text && !line->cut) {
        uint32_t code;
        size_t length = utf8_length(text, &code);
        char escape[16] = "";
        if (length == 0 && format == LOG_FORMAT_JSON)
            snprintf(escape, sizeof escape, "\\ufffd"); /* JSON has no way to write a byte */
        else if (length == 0)
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned)(unsigned char)*text);
        else if (code == '\\' || (code == '"' && format == LOG_FORMAT_JSON))
            snprintf(escape, sizeof escape, "\\%c", (char)code);
        else if (code == '\n' || code == '\r' || code == '\t')
            snprintf(escape, sizeof escape, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
        else if (is_control(code))
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
        if (*escape)
            put_text(line, escape);
        else
            put(line, text, length);
        text += length ? length : 1;
    }
}

static void put_time(struct line *line)
{
    struct timespec now;
    struct tm parts;
    char seconds[32] = "", milliseconds[16];
    clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &parts) || strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        return;
    put_text(line, seconds);
    snprintf(milliseconds, sizeof milliseconds, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
    put_text(line, milliseconds);
}

static void finish(struct line *line, const char *end)
{
    if (line->cut) {
        memcpy(line->bytes + line->length, ELLIPSIS, sizeof ELLIPSIS - 1);
        line->length += sizeof ELLIPSIS - 1;
    }
    memcpy(line->bytes + line->length, end, strlen(end));
    line->length += strlen(end);
}

static void build(struct line *line, enum log_level level, const char *event, const char *message)
{
    enum log_format format = (enum log_format)atomic_load_explicit(&current_format, memory_order_relaxed);
    if (format == LOG_FORMAT_JSON) {
        put_text(line, "{\"time\":\"");
        put_time(line);
        put_text(line, "\",\"level\":\"");
        put_text(line, level_names[level]);
        put_text(line, "\",\"event\":\"");
        put_escaped(line, event, format);
        put_text(line, "\",\"message\":\"");
        put_escaped(line, message, format);
        finish(line, "\"}\n");
        return;
    }
    put_time(line);
    put_text(line, " ");
    put_text(line, level_names[level]);
    put_text(line, " ");
    put_escaped(line, event, format);
    put_text(line, ": ");
    put_escaped(line, message, format);
    finish(line, "\n");
}

void log_configure(enum log_level level, enum log_format format)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
    atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
    atomic_store_explicit(&current_journal, (int)find_journal(), memory_order_relaxed);
}

void log_observe(void (*observer)(void *arg, enum log_level level, const char *event, const char *message), void *arg)
{
    pthread_mutex_lock(&observer_mutex);
    observer_call = observer;
    observer_arg = arg;
    pthread_mutex_unlock(&observer_mutex);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved_errno = errno;      /* callers log first and look at errno afterwards */
    char message[LINE_MAX_BYTES]; /* escaping never shortens: what is lost here would not fit the line either */
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    int journal = atomic_load_explicit(&current_journal, memory_order_relaxed);
    if (journal == JOURNAL_UNKNOWN) {
        journal = (int)find_journal();
        atomic_store_explicit(&current_journal, journal, memory_order_relaxed);
    }
    struct line line;
    line.length = 0;
    line.cut = false;
    if (journal == JOURNAL_YES)
        put_text(&line, level_priorities[level]);
    build(&line, level, event, length < 0 ? "(message could not be formatted)" : message);
    while (write(STDERR_FILENO, line.bytes, line.length) < 0 && errno == EINTR)
        continue;
    pthread_mutex_lock(&observer_mutex);
    if (observer_call)
        observer_call(observer_arg, level, event, length < 0 ? "" : message);
    pthread_mutex_unlock(&observer_mutex);
    errno = saved_errno;
}
