/* request: HTTP over the control socket. */

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"

#define ANSWER_MAX (1u << 30) /* a hundred thousand mitigations are 50 MB */
#define LINE_MAX_BYTES 65536u
#define PATIENCE_S 60L

struct gathered {
    CURL *curl;
    char *at;
    size_t length, size;
    const struct control *control;
    void (*line)(const struct control *control, const char *text, size_t length); /* NULL: gather all */
};

static int grow(struct gathered *gathered, size_t more)
{
    size_t size = gathered->size ? gathered->size : 4096;
    char *grown;

    if (more > ANSWER_MAX - gathered->length)
        return -1;
    while (size - gathered->length < more)
        size *= 2;
    if (size == gathered->size)
        return 0;
    grown = realloc(gathered->at, size);
    if (!grown)
        return -1;
    gathered->at = grown;
    gathered->size = size;
    return 0;
}

static void tell_lines(struct gathered *gathered)
{
    char *end;

    while ((end = memchr(gathered->at, '\n', gathered->length))) {
        size_t length = (size_t)(end - gathered->at);

        gathered->line(gathered->control, gathered->at, length);
        gathered->length -= length + 1;
        memmove(gathered->at, end + 1, gathered->length);
    }
    if (gathered->length > LINE_MAX_BYTES)
        gathered->length = 0;
}

static size_t gather(char *data, size_t one, size_t count, void *arg)
{
    struct gathered *gathered = arg;
    size_t length = one * count;
    long status = 0;

    if (grow(gathered, length) != 0)
        return 0;
    memcpy(gathered->at + gathered->length, data, length);
    gathered->length += length;
    curl_easy_getinfo(gathered->curl, CURLINFO_RESPONSE_CODE, &status);
    if (gathered->line && status == 200)
        tell_lines(gathered);
    return ferror(stdout) ? 0 : length;
}

static void tell_unreachable(const struct control *control, CURLcode code, int error)
{
    const char *socket = control->socket;

    if (code == CURLE_COULDNT_CONNECT && (error == EACCES || error == EPERM))
        fprintf(
            stderr,
            "dotsgwctl: %s: you have no permission to write to this socket; be root, or in the group that owns it\n",
            socket);
    else if (code == CURLE_COULDNT_CONNECT && error == ENOENT)
        fprintf(stderr,
                "dotsgwctl: there is no socket %s: is dotsgw running, and has its configuration admin.socket with this "
                "path?\n",
                socket);
    else if (code == CURLE_COULDNT_CONNECT)
        fprintf(stderr, "dotsgwctl: nobody listens at %s (%s): is dotsgw running?\n", socket,
                error ? strerror(error) : curl_easy_strerror(code));
    else if (code == CURLE_OPERATION_TIMEDOUT)
        fprintf(stderr, "dotsgwctl: dotsgw at %s does not answer; `systemctl status dotsgw` says how it is\n", socket);
    else
        fprintf(stderr, "dotsgwctl: %s: %s\n", socket, curl_easy_strerror(code));
}

enum control_exit output_check(void)
{
    bool failed = ferror(stdout);

    if (fflush(stdout) != 0)
        fprintf(stderr, "dotsgwctl: standard output cannot be written: %s\n", strerror(errno));
    else if (failed)
        fputs("dotsgwctl: standard output cannot be written\n", stderr);
    else
        return EXIT_GOOD;
    return EXIT_OUTPUT;
}

/* The answer is in gathered, and its code in *status. */
static enum control_exit perform(const struct control *control, const char *method, const char *path, const char *body,
                                 struct gathered *gathered, long *status)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *header = curl_slist_append(NULL, "Content-Type: application/json");
    char *url = NULL;
    long error = 0;
    CURLcode code = CURLE_OUT_OF_MEMORY;

    gathered->curl = curl;
    if (curl && header && asprintf(&url, "http://dotsgw%s", path) >= 0) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, control->socket);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); /* else SIGPIPE is ignored, and `watch | head -1` never ends */
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, header);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, gather);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, gathered);
        if (!gathered->line)
            curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, PATIENCE_S),
                curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        if (body)
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
        free(url);
    }
    curl_slist_free_all(header);
    curl_easy_cleanup(curl);
    if (code == CURLE_OK)
        return EXIT_GOOD;
    if (ferror(stdout))
        return EXIT_OUTPUT; /* main says why */
    tell_unreachable(control, code, (int)error);
    return EXIT_UNREACHABLE;
}

static void tell_refusal(const struct control *control, const json_t *answer, long status)
{
    const char *reason = json_string_value(json_object_get(answer, "error"));

    if (control->json && answer) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    if (reason) {
        fputs("dotsgwctl: ", stderr);
        text_print(stderr, reason);
        fputc('\n', stderr);
    } else {
        fprintf(stderr, "dotsgwctl: the gateway answered with status %ld\n", status);
    }
}

enum control_exit request(const struct control *control, const char *method, const char *path, const json_t *body,
                          json_t **answer)
{
    struct gathered gathered = {.control = control};
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    enum control_exit result = EXIT_UNREACHABLE;
    long status = 0;

    *answer = NULL;
    if (!body || text)
        result = perform(control, method, path, text, &gathered, &status);
    if (result == EXIT_GOOD)
        *answer = json_loadb(gathered.at ? gathered.at : "", gathered.length, 0, NULL);
    if (result == EXIT_GOOD && (status < 200 || status > 299 || !*answer)) {
        tell_refusal(control, *answer, status);
        json_decref(*answer);
        *answer = NULL;
        result = EXIT_REFUSED;
    }
    free(text);
    free(gathered.at);
    return result;
}

enum control_exit request_stream(const struct control *control, const char *path,
                                 void (*line)(const struct control *control, const char *text, size_t length))
{
    struct gathered gathered = {.control = control, .line = line};
    long status = 0;
    enum control_exit result = perform(control, "GET", path, NULL, &gathered, &status);

    if (result == EXIT_GOOD && status != 200) {
        json_t *answer = json_loadb(gathered.at ? gathered.at : "", gathered.length, 0, NULL);

        tell_refusal(control, answer, status);
        json_decref(answer);
        result = EXIT_REFUSED;
    }
    free(gathered.at);
    return result;
}
