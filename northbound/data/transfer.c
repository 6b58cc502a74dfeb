/* transfer: what one request is made of, and what came back. */
#include "northbound/data/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "northbound/data/transfer_loop.h"

#define CONNECT_MS 10000L
#define HEADERS_MAX 65536u /* bytes of all header fields of a response */
#define FIELD_MAX 4096u
#define REPEATS_MAX 2u

struct transfer {
    struct transfer_channel *channel;
    CURL *easy;
    struct curl_slist *headers;
    char *request_body;
    char *body;
    size_t length, capacity, answer_max, header_bytes;
    unsigned retry_after;
    bool too_large;
    unsigned repeats;
    transfer_h *done;
    void *arg;
    char error[CURL_ERROR_SIZE];
    struct transfer *prev, *next;
};

static size_t received(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t length = size * count, room = transfer->capacity;
    char *grown;

    if (length > transfer->answer_max - transfer->length) {
        transfer->too_large = true;
        return 0;
    }
    while (room <= transfer->length + length)
        room = room ? 2 * room : 1024;
    if (room != transfer->capacity) {
        grown = realloc(transfer->body, room);
        if (!grown)
            return 0;
        transfer->body = grown;
        transfer->capacity = room;
    }
    memcpy(transfer->body + transfer->length, data, length);
    transfer->length += length;
    transfer->body[transfer->length] = '\0';
    return length;
}

/* One line of the header, or the end of it: libcurl bounds a line, we bound them all. */
static size_t header_received(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct transfer *transfer = arg;
    size_t length = size * count, at = sizeof(name) - 1;
    unsigned seconds = 0;

    transfer->header_bytes += length;
    if (transfer->header_bytes > HEADERS_MAX) {
        transfer->too_large = true;
        return 0;
    }
    if (length <= at || strncasecmp(data, name, at) != 0)
        return length;
    while (at < length && (data[at] == ' ' || data[at] == '\t'))
        at++;
    for (; at < length && data[at] >= '0' && data[at] <= '9' && seconds < 1000000; at++)
        seconds = seconds * 10 + (unsigned)(data[at] - '0');
    transfer->retry_after = seconds;
    return length;
}

static CURLcode context_made(CURL *easy, void *context, void *arg)
{
    const struct transfer_channel *channel = arg;

    (void)easy;
    return credentials_use(channel->credentials, context, channel->config->data.host) == 0 ? CURLE_OK
                                                                                           : CURLE_SSL_CERTPROBLEM;
}

static int add_header(struct transfer *transfer, const char *name, const char *value)
{
    char field[FIELD_MAX];
    int length =
        value ? snprintf(field, sizeof(field), "%s: %s", name, value) : snprintf(field, sizeof(field), "%s:", name);
    struct curl_slist *headers;

    if (length < 0 || (size_t)length >= sizeof(field) || strpbrk(field, "\r\n"))
        return -1;
    headers = curl_slist_append(transfer->headers, field);
    if (!headers)
        return -1;
    transfer->headers = headers;
    return 0;
}

static int add_headers(struct transfer *transfer, const struct transfer_request *request)
{
    if ((request->accept && add_header(transfer, "Accept", request->accept) != 0) ||
        (request->content_type && add_header(transfer, "Content-Type", request->content_type) != 0) ||
        (request->via && add_header(transfer, "Via", request->via) != 0) || add_header(transfer, "Expect", NULL) != 0)
        return -1;
    return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK ? 0 : -1;
}

/* Who is spoken to, and how. */
static bool set_connection(struct transfer *transfer, const char *path)
{
    struct transfer_channel *channel = transfer->channel;
    CURL *easy = transfer->easy;
    char url[TRANSFER_URL_MAX];
    int length = snprintf(url, sizeof(url), "https://%s:%u%s", channel->config->data.host,
                          (unsigned)channel->config->data.port, path);

    return length > 0 && (size_t)length < sizeof(url) && curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* Without it, giving up waits for the name server. */
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_RESOLVE, channel->addresses) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, context_made) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, channel) == CURLE_OK;
}

static bool set_exchange(struct transfer *transfer, const struct transfer_request *request)
{
    CURL *easy = transfer->easy;

    if (request->body) {
        transfer->request_body = malloc(request->body_length + 1);
        if (!transfer->request_body)
            return false;
        memcpy(transfer->request_body, request->body, request->body_length);
        if (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length) != CURLE_OK ||
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->request_body) != CURLE_OK)
            return false;
    }
    return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, received) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_received) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
}

/* Not one of the channel's any more. */
static void transfer_free(struct transfer *transfer)
{
    if (transfer->easy)
        curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    free(transfer->request_body);
    free(transfer->body);
    free(transfer);
}

struct transfer *transfer_start(struct transfer_channel *channel, const struct transfer_request *request,
                                transfer_h *done, void *arg)
{
    struct transfer *transfer;

    if (channel->under_way >= TRANSFER_UNDER_WAY_MAX)
        return NULL;
    transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return NULL;
    transfer->channel = channel;
    transfer->answer_max = request->answer_max;
    transfer->done = done;
    transfer->arg = arg;
    transfer->easy = curl_easy_init();
    if (!transfer->easy || !set_connection(transfer, request->path) || !set_exchange(transfer, request) ||
        add_headers(transfer, request) != 0 || curl_multi_add_handle(channel->multi, transfer->easy) != CURLM_OK) {
        transfer_free(transfer);
        return NULL;
    }
    DL_APPEND(channel->transfers, transfer);
    channel->under_way++;
    return transfer;
}

void transfer_cancel(struct transfer *transfer)
{
    struct transfer_channel *channel = transfer->channel;

    curl_multi_remove_handle(channel->multi, transfer->easy);
    DL_DELETE(channel->transfers, transfer);
    channel->under_way--;
    transfer_free(transfer);
}

void transfer_cancel_all(struct transfer_channel *channel)
{
    struct transfer *transfer, *next;

    DL_FOREACH_SAFE(channel->transfers, transfer, next)
    {
        transfer_cancel(transfer);
    }
}

/* A connection that ends is no answer: a server may end one at any time (GOAWAY), all requests that are made here can
 * be repeated, and libcurl does so by itself only for some. libcurl before 8 also resets streams that are answered
 * without a body, which a server may take for an attack (CVE-2023-44487) after a hundred of them. */
static bool repeat(struct transfer *transfer, CURLcode code)
{
    static const CURLcode ends[] = {CURLE_HTTP2, CURLE_HTTP2_STREAM, CURLE_SEND_ERROR, CURLE_RECV_ERROR,
                                    CURLE_GOT_NOTHING};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (code != ends[i] || transfer->too_large || transfer->repeats >= REPEATS_MAX)
            continue;
        transfer->repeats++;
        transfer->length = transfer->header_bytes = 0;
        transfer->retry_after = 0;
        transfer->error[0] = '\0';
        return curl_multi_add_handle(transfer->channel->multi, transfer->easy) == CURLM_OK;
    }
    return false;
}

void transfer_ended(CURL *easy, CURLcode code)
{
    struct transfer_response response = {.body = ""};
    struct transfer *transfer = NULL;
    long status = 0, version = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    curl_multi_remove_handle(transfer->channel->multi, easy);
    if (repeat(transfer, code))
        return;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    if (code == CURLE_OK)
        response.status = (int)status;
    else
        snprintf(response.failure, sizeof(response.failure), "%s",
                 transfer->too_large  ? "it answers with more than is taken"
                 : transfer->error[0] ? transfer->error
                                      : curl_easy_strerror(code));
    if (code == CURLE_OK && transfer->body) {
        response.body = transfer->body;
        response.length = transfer->length;
    }
    response.retry_after = transfer->retry_after;
    response.http2 = version == CURL_HTTP_VERSION_2_0;
    DL_DELETE(transfer->channel->transfers, transfer);
    transfer->channel->under_way--;
    transfer->done(transfer->arg, &response);
    transfer_free(transfer);
}
