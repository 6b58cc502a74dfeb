/* restconf: calls wait for the root, the root waits for the server. */
#include "northbound/data/restconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "gateway/log/log.h"
#include "northbound/data/host_meta.h"

#define ROOT_FRESH_MS 3600000u
#define PROBE_FIRST_MS 1000u
#define PROBE_MAX_MS 60000u
#define DISCOVERY_MS 10000u
#define HOST_META "/.well-known/host-meta"

enum root_state { ROOT_UNKNOWN, ROOT_ASKED, ROOT_KNOWN };

struct restconf_call {
    struct restconf *restconf;
    struct restconf_request request;
    char *texts; /* what request points to */
    struct transfer *transfer;
    transfer_h *done;
    void *arg;
    struct restconf_call *prev, *next;
};

struct restconf {
    struct restconf_settings settings;
    struct transfer_channel *channel;
    enum root_state state;
    char root[HOST_META_ROOT_MAX + 1];
    uint64_t root_at;
    struct transfer *discovery;
    struct restconf_call *waiting, *under_way;
    uv_timer_t timer; /* the next probe; or, at once, calls that must fail */
    bool was_up, out;
    struct restconf_counters counters;
    size_t calls; /* waiting and under way */
    uint64_t out_since, probe_at;
    unsigned probe_ms;
    size_t handles;
    void (*on_closed)(void *arg);
    void *arg;
};

static void discover(struct restconf *restconf);
static void wake(uv_timer_t *timer);

static uint64_t now_ms(const struct restconf *restconf)
{
    return uv_now(restconf->settings.loop);
}

static void call_free(struct restconf_call *call)
{
    call->restconf->calls--;
    free(call->texts);
    free(call);
}

static void call_end(struct restconf_call *call, const struct transfer_response *response)
{
    call->done(call->arg, response);
    call_free(call);
}

/* ---- What is noted of each ---- */

static const char *const methods[RESTCONF_METHODS] = {"DELETE", "GET", "POST", "PUT"};

const char *restconf_method_name(size_t method)
{
    return methods[method];
}

const struct restconf_counters *restconf_counters(const struct restconf *restconf)
{
    return &restconf->counters;
}

/* What of the tree it is about: one of a few words. Names in a path are percent-encoded, "/" with them. */
static const char *kind_of(const char *path)
{
    static const struct {
        const char *in, *kind;
    } kinds[] = {{"/acl=", "acl"},
                 {"/alias=", "alias"},
                 {"/acls", "acls"},
                 {"/aliases", "aliases"},
                 {"/capabilities", "capabilities"},
                 {"/dots-client=", "dots-client"},
                 {"/host-meta", "host-meta"}};
    size_t length = strcspn(path, "?");

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (memmem(path, length, kinds[i].in, strlen(kinds[i].in)))
            return kinds[i].kind;
    return "dots-data";
}

static void note_request(const struct restconf *restconf, uint64_t cause, const struct transfer_request *request)
{
    log_debug("upstream-request", LOG_REQUEST " upstream %s: %s %s, %zu bytes", cause, restconf->settings.config->name,
              request->method, kind_of(request->path), request->body_length);
}

static void note_answer(struct restconf *restconf, uint64_t cause, const char *method, const char *path,
                        const struct transfer_response *response)
{
    const char *name = restconf->settings.config->name, *kind = kind_of(path);
    size_t place = response->status ? http_status_place((unsigned)response->status) : RESTCONF_UNANSWERED, i = 0;

    while (i < RESTCONF_METHODS - 1 && strcmp(methods[i], method) != 0)
        i++;
    restconf->counters.answers[i][place]++;
    if (response->status)
        log_debug("upstream-answer", LOG_REQUEST " upstream %s: %s %s: %d, %zu bytes", cause, name, method, kind,
                  response->status, response->length);
    else
        log_debug("upstream-answer", LOG_REQUEST " upstream %s: %s %s: none, %s", cause, name, method, kind,
                  response->failure);
}

static void fail_waiting(struct restconf *restconf, const char *why)
{
    struct transfer_response response = {.body = ""};
    struct restconf_call *last = restconf->waiting ? restconf->waiting->prev : NULL, *call;

    snprintf(response.failure, sizeof(response.failure), "%s", why);
    while (last && (call = restconf->waiting) != NULL) { /* not those that are made meanwhile */
        DL_DELETE(restconf->waiting, call);
        last = call == last ? NULL : last;
        call_end(call, &response);
    }
}

/* Something was not answered: the next thing that is asked is where the root is. */
static void outage(struct restconf *restconf, const char *why)
{
    const struct config_upstream *config = restconf->settings.config;

    restconf->state = ROOT_UNKNOWN;
    if (!restconf->out) {
        restconf->out = true;
        restconf->out_since = now_ms(restconf);
        restconf->probe_ms = PROBE_FIRST_MS;
        log_warning("data-channel-down", "%s: its data channel at %s port %u does not answer: %s; it is tried again",
                    config->name, config->data.host, (unsigned)config->data.port, why);
    } else {
        restconf->probe_ms = restconf->probe_ms > PROBE_MAX_MS / 2 ? PROBE_MAX_MS : 2 * restconf->probe_ms;
    }
    restconf->probe_at = now_ms(restconf) + restconf->probe_ms;
    uv_timer_start(&restconf->timer, wake, restconf->probe_ms, 0);
    fail_waiting(restconf, why);
}

static void answered(void *arg, const struct transfer_response *response)
{
    struct restconf_call *call = arg;
    struct restconf *restconf = call->restconf;

    DL_DELETE(restconf->under_way, call);
    note_answer(restconf, call->request.cause, call->request.method, call->request.path, response);
    if (response->status == 0 && restconf->state == ROOT_KNOWN)
        outage(restconf, response->failure);
    call_end(call, response);
}

static void call_send(struct restconf_call *call)
{
    struct restconf *restconf = call->restconf;
    struct transfer_response response = {.body = "", .failure = "the request is too long, or out of memory"};
    struct transfer_request request = {
        .method = call->request.method,
        .accept = RESTCONF_JSON,
        .content_type = call->request.body ? RESTCONF_JSON : NULL,
        .via = call->request.via,
        .body = call->request.body,
        .body_length = call->request.body_length,
        .answer_max = call->request.answer_max,
        .timeout_ms = call->request.timeout_ms,
    };
    size_t size = strlen(restconf->root) + strlen(call->request.path) + 1;
    char *path = malloc(size);

    if (path) {
        snprintf(path, size, "%s%s", restconf->root, call->request.path);
        request.path = path;
        note_request(restconf, call->request.cause, &request);
        call->transfer = transfer_start(restconf->channel, &request, answered, call);
        free(path);
    }
    if (call->transfer)
        DL_APPEND(restconf->under_way, call);
    else
        call_end(call, &response);
}

static void send_waiting(struct restconf *restconf)
{
    struct restconf_call *last = restconf->waiting ? restconf->waiting->prev : NULL, *call;

    while (last && (call = restconf->waiting) != NULL) { /* not those that are made meanwhile */
        DL_DELETE(restconf->waiting, call);
        last = call == last ? NULL : last;
        call_send(call);
    }
}

static void root_found(struct restconf *restconf)
{
    const struct config_upstream *config = restconf->settings.config;
    uint64_t lasted = restconf->out ? now_ms(restconf) - restconf->out_since : 0;
    bool tell = restconf->out || !restconf->was_up;

    if (tell)
        log_notice("data-channel-up", "%s: its data channel at %s port %u answers, RESTCONF is at %s/", config->name,
                   config->data.host, (unsigned)config->data.port, restconf->root);
    restconf->state = ROOT_KNOWN;
    restconf->root_at = now_ms(restconf);
    restconf->out = false;
    restconf->was_up = true;
    send_waiting(restconf);
    if (tell)
        restconf->settings.up(restconf->settings.arg, lasted);
}

static void discovered(void *arg, const struct transfer_response *response)
{
    struct restconf *restconf = arg;
    const struct config_upstream *config = restconf->settings.config;
    char why[320];

    restconf->discovery = NULL;
    note_answer(restconf, 0, "GET", HOST_META, response);
    if (response->status == 0)
        snprintf(why, sizeof(why), "%s", response->failure);
    else if (response->status != 200)
        snprintf(why, sizeof(why), "/.well-known/host-meta is answered with status %d%s", response->status,
                 response->status / 100 == 3 ? ", a redirect, which is not followed" : "");
    else if (host_meta_root(response->body, response->length, config->data.host, config->data.port, restconf->root, why,
                            sizeof(why)) == 0) {
        root_found(restconf);
        return;
    }
    outage(restconf, why);
}

static void discover(struct restconf *restconf)
{
    const struct transfer_request request = {.method = "GET",
                                             .path = HOST_META,
                                             .accept = "application/xrd+xml",
                                             .answer_max = HOST_META_MAX,
                                             .timeout_ms = DISCOVERY_MS};

    if (restconf->state == ROOT_ASKED)
        return;
    note_request(restconf, 0, &request);
    restconf->discovery = transfer_start(restconf->channel, &request, discovered, restconf);
    if (restconf->discovery)
        restconf->state = ROOT_ASKED;
    else
        outage(restconf, "out of memory");
}

static void wake(uv_timer_t *timer)
{
    struct restconf *restconf = timer->data;

    if (restconf->out && now_ms(restconf) < restconf->probe_at) {
        uv_timer_start(timer, wake, restconf->probe_at - now_ms(restconf), 0);
        fail_waiting(restconf, "it did not answer lately");
    } else if (restconf->state == ROOT_UNKNOWN) {
        discover(restconf);
    } else if (restconf->state == ROOT_KNOWN) {
        send_waiting(restconf);
    }
}

struct restconf *restconf_open(const struct restconf_settings *settings, char *error, size_t error_size)
{
    struct restconf *restconf = calloc(1, sizeof(*restconf));

    if (!restconf) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    restconf->settings = *settings;
    restconf->channel = transfer_open(settings->loop, settings->config, error, error_size);
    if (!restconf->channel) {
        free(restconf);
        return NULL;
    }
    uv_timer_init(settings->loop, &restconf->timer);
    restconf->timer.data = restconf;
    restconf->handles = 2;
    return restconf;
}

void restconf_renew(struct restconf *restconf, const struct config_upstream *config, struct credentials **credentials)
{
    restconf->settings.config = config;
    transfer_renew(restconf->channel, config, credentials);
}

static void part_closed(void *arg)
{
    struct restconf *restconf = arg;

    if (--restconf->handles > 0)
        return;
    if (restconf->on_closed)
        restconf->on_closed(restconf->arg);
    free(restconf);
}

static void timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

static void drop_all(struct restconf_call *calls)
{
    struct restconf_call *call, *next;

    DL_FOREACH_SAFE(calls, call, next)
    {
        call_free(call);
    }
}

void restconf_close(struct restconf *restconf, void (*on_closed)(void *arg), void *arg)
{
    restconf->on_closed = on_closed;
    restconf->arg = arg;
    drop_all(restconf->waiting);
    drop_all(restconf->under_way);
    uv_close((uv_handle_t *)&restconf->timer, timer_closed);
    transfer_close(restconf->channel, part_closed, restconf);
}

void restconf_start(struct restconf *restconf)
{
    if (restconf->state == ROOT_UNKNOWN && !restconf->out)
        discover(restconf);
}

static const char *keep(char **at, const char *text, size_t length)
{
    char *kept = *at;

    if (!text)
        return NULL;
    memcpy(kept, text, length);
    kept[length] = '\0';
    *at += length + 1;
    return kept;
}

struct restconf_call *restconf_call(struct restconf *restconf, const struct restconf_request *request, transfer_h *done,
                                    void *arg)
{
    size_t path = strlen(request->path), via = request->via ? strlen(request->via) : 0;
    struct restconf_call *call = calloc(1, sizeof(*call));
    char *at = call ? malloc(path + via + request->body_length + 3) : NULL;

    if (!at) {
        free(call);
        return NULL;
    }
    call->restconf = restconf;
    restconf->calls++;
    call->request = *request;
    call->texts = at;
    call->request.path = keep(&at, request->path, path);
    call->request.via = keep(&at, request->via, via);
    call->request.body = keep(&at, request->body, request->body_length);
    call->done = done;
    call->arg = arg;
    if (restconf->state == ROOT_KNOWN && now_ms(restconf) - restconf->root_at > ROOT_FRESH_MS)
        restconf->state = ROOT_UNKNOWN;
    DL_APPEND(restconf->waiting, call);
    /* On the next turn: sent, or failed in an outage; a root that is asked for takes the waiting along. */
    if (restconf->state != ROOT_ASKED)
        uv_timer_start(&restconf->timer, wake, 0, 0);
    return call;
}

void restconf_cancel(struct restconf_call *call)
{
    if (call->transfer) {
        transfer_cancel(call->transfer);
        DL_DELETE(call->restconf->under_way, call);
    } else {
        DL_DELETE(call->restconf->waiting, call);
    }
    call_free(call);
}

bool restconf_is_up(const struct restconf *restconf)
{
    return restconf->was_up && !restconf->out;
}

size_t restconf_waiting(const struct restconf *restconf)
{
    return restconf->calls;
}

unsigned restconf_retry_after(const struct restconf *restconf)
{
    uint64_t now = now_ms(restconf);

    if (!restconf->out)
        return 0;
    return restconf->probe_at > now ? (unsigned)((restconf->probe_at - now) / 1000 + 1) : 1;
}
