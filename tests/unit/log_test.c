/* Unit tests of gateway/log: what a line looks like, byte for byte, and that one line is one write(2). */
/* links: log */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/log/log.h"

#define TIME_LENGTH (sizeof "2026-01-02T03:04:05.678Z" - 1)

/* stderr is one end of a SOCK_SEQPACKET pair: it keeps the bounds of every write(2). */
struct capture {
    int saved_stderr, reader;
};

static int capture_start(void **state)
{
    static struct capture capture;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    struct timeval patience = {.tv_sec = 10}; /* a line that never comes fails the test, not the whole run */
    if (setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        return -1;
    capture.saved_stderr = dup(STDERR_FILENO);
    capture.reader = ends[0];
    if (capture.saved_stderr < 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return -1;
    close(ends[1]);
    unsetenv("JOURNAL_STREAM");
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    *state = &capture;
    return 0;
}

static int capture_stop(void **state)
{
    struct capture *capture = *state;
    dup2(capture->saved_stderr, STDERR_FILENO);
    close(capture->saved_stderr);
    close(capture->reader);
    return 0;
}

/* The next write(2), which must be exactly one line; its newline is taken off. */
static size_t next_line(const struct capture *capture, char *line, size_t size)
{
    ssize_t length = recv(capture->reader, line, size - 1, 0);
    assert_true(length > 0);
    assert_int_equal(line[length - 1], '\n');
    line[length - 1] = '\0';
    assert_null(strchr(line, '\n'));
    assert_int_equal(strlen(line), length - 1);
    return (size_t)length;
}

static void assert_silent(const struct capture *capture)
{
    char byte;
    assert_int_equal(recv(capture->reader, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* Text format: the line after the time. */
static void assert_text(const struct capture *capture, const char *expected)
{
    char line[4096];
    next_line(capture, line, sizeof line);
    assert_int_equal(line[TIME_LENGTH], ' ');
    assert_string_equal(line + TIME_LENGTH + 1, expected);
}

/* JSON format: everything after the time. */
static void assert_json(const struct capture *capture, const char *expected)
{
    char line[4096];
    next_line(capture, line, sizeof line);
    const char *start = "{\"time\":\"";
    assert_memory_equal(line, start, strlen(start));
    assert_string_equal(line + strlen(start) + TIME_LENGTH, expected);
}

static void test_text_line_has_time_level_event_message(void **state)
{
    char line[4096];
    log_info("session-up", "client %s from %s:%d", "web-farm", "203.0.113.7", 4646);
    next_line(*state, line, sizeof line);
    struct tm parts;
    const char *rest = strptime(line, "%Y-%m-%dT%H:%M:%S.", &parts);
    assert_ptr_equal(rest, line + TIME_LENGTH - strlen("678Z"));
    assert_int_equal(strspn(rest, "0123456789"), 3);
    assert_string_equal(rest + 3, "Z info session-up: client web-farm from 203.0.113.7:4646");
    assert_true(llabs((long long)time(NULL) - (long long)timegm(&parts)) <= 10);
}

static void test_every_level_is_named(void **state)
{
    log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    log_error("e", "m");
    log_warning("e", "m");
    log_notice("e", "m");
    log_info("e", "m");
    log_debug("e", "m");
    assert_text(*state, "error e: m");
    assert_text(*state, "warning e: m");
    assert_text(*state, "notice e: m");
    assert_text(*state, "info e: m");
    assert_text(*state, "debug e: m");
}

static void test_level_filters(void **state)
{
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        log_configure((enum log_level)level, LOG_FORMAT_TEXT);
        for (int asked = LOG_LEVEL_ERROR; asked <= LOG_LEVEL_DEBUG; asked++) {
            assert_int_equal(log_enabled((enum log_level)asked), asked <= level);
            log_write((enum log_level)asked, "level", "%d", asked);
            if (asked <= level) {
                char line[4096];
                next_line(*state, line, sizeof line);
            } else {
                assert_silent(*state);
            }
        }
    }
}

static int evaluations;

static const char *expensive(void)
{
    evaluations++;
    return "expensive";
}

static void test_debug_arguments_are_not_evaluated_when_off(void **state)
{
    evaluations = 0;
    log_debug("e", "%s", expensive());
    assert_int_equal(evaluations, 0);
    assert_silent(*state);
}

static void test_json_line(void **state)
{
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_warning("upstream-refused", "isp-a said 4.03");
    assert_json(*state, "\",\"level\":\"warning\",\"event\":\"upstream-refused\",\"message\":\"isp-a said 4.03\"}");
}

/* One hostile text, and what each format makes of it. */
static const struct {
    const char *input, *text, *json;
} escapes[] = {
    {"a\nb\rc\td", "a\\nb\\rc\\td", "a\\nb\\rc\\td"},
    {"\x01\x1b[31m\x7f", "\\u0001\\u001b[31m\\u007f", "\\u0001\\u001b[31m\\u007f"},
    {"say \"hi\"", "say \"hi\"", "say \\\"hi\\\""},
    {"a\\nb", "a\\\\nb", "a\\\\nb"},
    {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9b\xa1", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9b\xa1",
     "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9b\xa1"},
    {"c1 \xc2\x85", "c1 \\u0085", "c1 \\u0085"},
    {"\xe2\x80\xa8 \xe2\x80\xae \xe2\x81\xa6", "\\u2028 \\u202e \\u2066", "\\u2028 \\u202e \\u2066"},
    {"\xff", "\\xff", "\\ufffd"},
    {"\x80 alone", "\\x80 alone", "\\ufffd alone"},
    {"\xc3", "\\xc3", "\\ufffd"},                                                 /* ends within a sequence */
    {"\xe2\x82(", "\\xe2\\x82(", "\\ufffd\\ufffd("},                              /* broken within a sequence */
    {"\xc0\xaf", "\\xc0\\xaf", "\\ufffd\\ufffd"},                                 /* overlong */
    {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf", "\\ufffd\\ufffd\\ufffd"},                 /* overlong */
    {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd"},                 /* surrogate */
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* above U+10FFFF */
    {"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"},
};

static void test_hostile_text_is_escaped(void **state)
{
    char expected[4096];
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        log_info("e", "%s", escapes[i].input);
        snprintf(expected, sizeof expected, "info e: %s", escapes[i].text);
        assert_text(*state, expected);

        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        log_info("e", "%s", escapes[i].input);
        snprintf(expected, sizeof expected, "\",\"level\":\"info\",\"event\":\"e\",\"message\":\"%s\"}",
                 escapes[i].json);
        assert_json(*state, expected);
    }
}

static void test_event_is_escaped_too(void **state)
{
    log_info("a\nb", "m");
    assert_text(*state, "info a\\nb: m");
}

/* Logs length times text; returns the length of the line with its newline. */
static size_t log_repeated(const struct capture *capture, const char *text, size_t count, char *line, size_t size)
{
    char *message = malloc(strlen(text) * count + 1);
    assert_non_null(message);
    *message = '\0';
    for (size_t i = 0; i < count; i++)
        memcpy(message + i * strlen(text), text, strlen(text) + 1);
    log_info("e", "%s", message);
    free(message);
    return next_line(capture, line, size);
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void test_long_lines_are_cut_with_an_ellipsis(void **state)
{
    /* The last one is escaped to more than it was: the bound holds for what is written. */
    static const char *const texts[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9b\xa1", "\x01"};
    char line[8192];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        assert_in_range(log_repeated(*state, texts[i], 4000, line, sizeof line), 2048 - 16, 2048);
        assert_true(ends_with(line, "\xe2\x80\xa6"));
        /* No character is cut in two: a valid one, or a whole escape, stands before the ellipsis. */
        const char *last = *texts[i] == 1 ? "\\u0001" : texts[i];
        line[strlen(line) - 3] = '\0';
        assert_true(ends_with(line, last));

        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        assert_in_range(log_repeated(*state, texts[i], 4000, line, sizeof line), 2048 - 16, 2048);
        assert_true(ends_with(line, "\xe2\x80\xa6\"}"));
    }
}

static void test_every_length_around_the_bound_is_a_whole_line(void **state)
{
    char line[8192];
    size_t overhead = TIME_LENGTH + strlen(" info e: ") + 1;
    for (size_t count = 1900; count < 2100; count++) {
        size_t length = log_repeated(*state, "x", count, line, sizeof line);
        assert_true(length <= 2048);
        if (ends_with(line, "\xe2\x80\xa6"))
            assert_true(overhead + count > 2048 - 8);
        else
            assert_int_equal(length, overhead + count);
    }
}

static void test_long_event_leaves_valid_json(void **state)
{
    /* \x01 is written as six bytes: where it no longer fits, the shorter message must not slip in. */
    static const struct {
        char byte;
        const char *end;
    } cases[] = {{'e', "eee\xe2\x80\xa6\"}"}, {'\x01', "\\u0001\xe2\x80\xa6\"}"}};
    char event[3000], line[8192];
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    for (size_t shift = 0; shift < 6; shift++) {
        memset(event, 'e', sizeof event - 1);
        event[sizeof event - 1] = '\0';
        memset(event + shift, cases[shift % 2].byte, sizeof event - 1 - shift);
        log_info(event, "m");
        assert_true(next_line(*state, line, sizeof line) <= 2048);
        assert_true(ends_with(line, cases[shift % 2].end));
    }
}

/* Sets JOURNAL_STREAM to what systemd would for the present stderr, or to another inode. */
static void set_journal_stream(uintmax_t inode_offset)
{
    struct stat status;
    char stream[64];
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino + inode_offset);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
}

static void test_journal_stream_gets_priorities(void **state)
{
    static const char *const prefixes[] = {"<3>20", "<4>20", "<5>20", "<6>20", "<7>20"};
    char line[4096];
    set_journal_stream(0);
    log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        log_write((enum log_level)level, "e", "m");
        next_line(*state, line, sizeof line);
        assert_memory_equal(line, prefixes[level], 5);
    }
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_error("e", "m");
    next_line(*state, line, sizeof line);
    assert_memory_equal(line, "<3>{\"time\":\"", 12);
}

static void test_redirected_stderr_gets_no_priorities(void **state)
{
    char line[4096];
    set_journal_stream(1);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_error("e", "m");
    next_line(*state, line, sizeof line);
    assert_int_equal(line[0], '2');
}

static void test_errno_survives(void **state)
{
    errno = ENOENT;
    log_error("e", "m");
    assert_int_equal(errno, ENOENT);
    assert_text(*state, "error e: m");

    int broken = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = ENOENT;
    log_error("e", "nobody listens");
    int after = errno;
    dup2(broken, STDERR_FILENO);
    close(broken);
    assert_int_equal(after, ENOENT);
}

static void test_what_repeats_is_counted(void **state)
{
    struct log_repeat repeat = {0}, other = {0};
    char note[LOG_NOTE];
    (void)state;
    assert_true(log_repeat(&repeat, 1000, note));
    assert_string_equal(note, "");
    for (int i = 0; i < 1000; i++)
        assert_false(log_repeat(&repeat, 1000 + i, note));
    assert_true(log_repeat(&other, 1500, note));
    assert_string_equal(note, "");
    assert_false(log_repeat(&repeat, 1000 + LOG_REPEAT_MS - 1, note));
    assert_true(log_repeat(&repeat, 1000 + LOG_REPEAT_MS, note));
    assert_string_equal(note, " (1001 such lines were left out before)");
    assert_true(log_repeat(&repeat, 1000 + 3 * LOG_REPEAT_MS, note));
    assert_string_equal(note, "");
    repeat.left_out = UINT32_MAX;
    assert_false(log_repeat(&repeat, 1000 + 3 * LOG_REPEAT_MS, note));
    assert_true(log_repeat(&repeat, 1000 + 4 * LOG_REPEAT_MS, note));
    assert_string_equal(note, " (4294967295 such lines were left out before)");
}

static void test_some_lines_may_come_at_once(void **state)
{
    struct log_repeat repeat = {0};
    char note[LOG_NOTE];
    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(log_burst(&repeat, 3, 1000 + i, note), i < 3);
        assert_string_equal(note, "");
    }
    assert_true(log_burst(&repeat, 3, 1000 + LOG_REPEAT_MS, note));
    assert_string_equal(note, " (5 such lines were left out before)");
    assert_true(log_burst(&repeat, 3, 1001 + LOG_REPEAT_MS, note));
    assert_string_equal(note, "");
}

#define THREADS 4
#define LINES 200

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("thread", "%c%0500d", *(const char *)arg, i);
    return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    static char names[THREADS] = {'a', 'b', 'c', 'd'};
    pthread_t threads[THREADS];
    int next[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &names[i]), 0);
    for (int i = 0; i < THREADS * LINES; i++) {
        char line[4096];
        next_line(*state, line, sizeof line);
        const char *message = strstr(line, "thread: ");
        assert_non_null(message);
        message += strlen("thread: ");
        int thread = message[0] - 'a';
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(strlen(message), 501);
        assert_int_equal(strtol(message + 1, NULL, 10), next[thread]++);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_silent(*state);
}

#define captured(test) cmocka_unit_test_setup_teardown(test, capture_start, capture_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        captured(test_text_line_has_time_level_event_message),
        captured(test_every_level_is_named),
        captured(test_level_filters),
        captured(test_debug_arguments_are_not_evaluated_when_off),
        captured(test_json_line),
        captured(test_hostile_text_is_escaped),
        captured(test_event_is_escaped_too),
        captured(test_long_lines_are_cut_with_an_ellipsis),
        captured(test_every_length_around_the_bound_is_a_whole_line),
        captured(test_long_event_leaves_valid_json),
        captured(test_journal_stream_gets_priorities),
        captured(test_redirected_stderr_gets_no_priorities),
        captured(test_errno_survives),
        captured(test_what_repeats_is_counted),
        captured(test_some_lines_may_come_at_once),
        captured(test_lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
