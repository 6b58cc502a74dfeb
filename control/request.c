/* request: HTTP over the control socket. */

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"

#define ANSWER_MAX (1u << 30) /* a hundred thousand mitigations are 50 MB */
#define LINE_MAX_BYTES 65536u
#define PATIENCE_S 60L

struct gathered {
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

    if (grow(gathered, length) != 0)
        return 0;
    memcpy(gathered->at + gathered->length, data, length);
    gathered->length += length;
    if (gathered->line)
        tell_lines(gathered);
    return length;
}

static void tell_unreachable(const struct control *control, CURLcode code)
{
    if (code == CURLE_COULDNT_CONNECT)
        fprintf(stderr,
                "dotsgwctl: cannot connect to %s: is dotsgw running, has its configuration admin.socket with this "
                "path, and may you write to the file?\n",
                control->socket);
    else
        fprintf(stderr, "dotsgwctl: %s: %s\n", control->socket, curl_easy_strerror(code));
}

/* The answer is in gathered, and its code in *status. */
static enum control_exit perform(const struct control *control, const char *method, const char *path, const char *body,
                                 struct gathered *gathered, long *status)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *header = curl_slist_append(NULL, "Content-Type: application/json");
    char url[1024];
    CURLcode code = CURLE_OUT_OF_MEMORY;

    if (curl && header && snprintf(url, sizeof(url), "http://dotsgw%s", path) < (int)sizeof(url)) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, control->socket);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
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
    }
    curl_slist_free_all(header);
    curl_easy_cleanup(curl);
    if (code == CURLE_OK)
        return EXIT_GOOD;
    tell_unreachable(control, code);
    return EXIT_UNREACHABLE;
}

static void tell_refusal(const struct control *control, const json_t *answer, long status)
{
    const char *reason = json_string_value(json_object_get(answer, "error"));

    if (control->json && answer) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    if (reason)
        fprintf(stderr, "dotsgwctl: %s\n", reason);
    else
        fprintf(stderr, "dotsgwctl: the gateway answered with status %ld\n", status);
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

    free(gathered.at);
    if (result != EXIT_GOOD || status == 200)
        return result;
    fprintf(stderr, "dotsgwctl: the gateway answered with status %ld\n", status);
    return EXIT_REFUSED;
}
