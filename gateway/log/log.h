/*
 * log: one event, one line, on standard error.
 *
 * Words: an *event* is a short fixed token ("session-up", "upstream-refused") that a program can
 * match on; the *message* after it is for people and says what happened, to whom, what to do.
 * Called by every part of the process, from any thread. It knows nothing of DOTS, holds no state
 * but level and format, and never blocks longer than one write(2). No secrets, no key material.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Sets what is written (level and below) and how. Default: info, text. */
void log_configure(enum log_level level, enum log_format format);

/* True when a line of this level would be written: ask before building an expensive message. */
bool log_enabled(enum log_level level);

/* Hands every line that is written to an observer as well, on whatever thread it is written; the observer must not log.
 * After log_observe has returned, the observer of before is not called any more. NULL: none. */
void log_observe(void (*observer)(void *arg, enum log_level level, const char *event, const char *message), void *arg);

/* The number of a request that has just come: its lines have it on all its legs, from 1 up in each run of the process.
 * "r17" is how it is written: log_debug("answer", LOG_REQUEST " client %s: ...", number, name). */
#define LOG_REQUEST "r%" PRIu64
uint64_t log_request(void);

/* What repeats is counted: in ten seconds so many lines of one kind of event are written, and the next one after that
 * says how many were left out. A kind is what has a struct log_repeat of its own, zeroed at first. */
struct log_repeat {
    int64_t since_ms; /* of the first line of the ten seconds; 0: never */
    uint32_t written, left_out;
};
#define LOG_REPEAT_MS 10000
#define LOG_NOTE 56
/* True: write the line now, with note, which is "" or " (17 such lines were left out before)", at its end. now in ms,
 * of any clock that does not go back, above 0. */
bool log_burst(struct log_repeat *repeat, uint32_t most, int64_t now, char note[LOG_NOTE]);
/* The same with one line. */
bool log_repeat(struct log_repeat *repeat, int64_t now, char note[LOG_NOTE]);

/* Writes one line: time (RFC 3339, UTC, ms), priority prefix for journald when stderr is a journal
 * stream, level, event, message. Control characters in the message are escaped. */
void log_write(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                               \
    do {                                             \
        if (log_enabled(LOG_LEVEL_DEBUG))            \
            log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); \
    } while (0)
