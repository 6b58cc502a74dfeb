/* run: one command over one link. */

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "client/client.h"
#include "northbound/signal/link.h"

#define PATH_MAX_SEGMENTS 6

struct run {
    const struct client_options *options;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[2];
    struct link_endpoint *endpoint;
    struct link *link;
    struct exchange *exchange;
    uint8_t *body;
    size_t body_length;
    char cuid[132], cdid[132], id[20], query[8];
    const char *path[PATH_MAX_SEGMENTS];
    size_t path_count;
    unsigned notifications;
    int status;
    bool ending;
};

static void endpoint_closed(void *arg)
{
    (void)arg;
}

static void end(struct run *run, int status)
{
    if (run->ending)
        return;
    run->ending = true;
    run->status = status;
    uv_close((uv_handle_t *)&run->timer, NULL);
    for (size_t i = 0; i < sizeof(run->signals) / sizeof(run->signals[0]); i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    if (run->exchange)
        link_cancel(run->exchange, true);
    if (run->link)
        link_close(run->link);
    link_endpoint_close(run->endpoint, endpoint_closed, run);
}

static void interrupted(uv_signal_t *signal, int number)
{
    struct run *run = signal->data;

    (void)number;
    end(run, run->options->operation == CLIENT_HOLD || run->notifications ? CLIENT_OK : CLIENT_TIMEOUT);
}

static void late(uv_timer_t *timer)
{
    struct run *run = timer->data;

    fprintf(stderr, "dots-client: no answer within %g s; %s\n", run->options->timeout,
            link_is_up(run->link) ? "the session is up, the server is silent" : "no session with the server");
    end(run, CLIENT_TIMEOUT);
}

static void link_up(void *arg)
{
    struct run *run = arg;

    if (run->options->verbose || run->options->operation == CLIENT_HOLD)
        fprintf(stderr, "session with %s\n", link_text(run->link));
}

static void link_down(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "dots-client: %s\n", text);
}

static void sid_wanted(void *arg)
{
    (void)arg; /* this client negotiates only by its config command */
}

static void alert(void *arg, const char *event, const char *text)
{
    (void)arg;
    fprintf(stderr, "dots-client: %s: %s\n", event, text);
}

static void answered(void *arg, enum link_result result, const struct dots_response *response)
{
    struct run *run = arg;
    bool observe = run->options->operation == CLIENT_OBSERVE;
    int status;

    if (!observe)
        run->exchange = NULL;
    if (result == LINK_TOO_LARGE) {
        fputs("dots-client: the request does not fit a datagram; use --transport tcp or fewer targets\n", stderr);
        end(run, CLIENT_LOCAL);
        return;
    }
    if (result == LINK_TIMEOUT) {
        end(run, CLIENT_TIMEOUT);
        return;
    }
    status = client_show(run->options, response);
    run->notifications++;
    /* SIGPIPE is ignored because of sockets: `observe | head -1` ends here. */
    if (!observe || DOTS_CODE_CLASS(response->code) != 2 || run->notifications == run->options->count || ferror(stdout))
        end(run, status);
    else
        uv_timer_stop(&run->timer);
}

static void add(struct run *run, const char *segment)
{
    run->path[run->path_count++] = segment;
}

static enum dots_method make_path(struct run *run)
{
    const struct client_options *options = run->options;
    bool config = options->operation >= CLIENT_CONFIG_GET && options->operation <= CLIENT_CONFIG_DELETE;

    add(run, ".well-known");
    add(run, "dots");
    if (options->operation == CLIENT_HB) {
        add(run, "hb");
        return DOTS_PUT;
    }
    add(run, config ? "config" : "mitigate");
    if (!config && options->cdid) {
        snprintf(run->cdid, sizeof(run->cdid), "cdid=%s", options->cdid);
        add(run, run->cdid);
    }
    if (!config)
        add(run, run->cuid);
    if (options->has_id) {
        snprintf(run->id, sizeof(run->id), "%s=%u", config ? "sid" : "mid", options->id);
        add(run, run->id);
    }
    if (options->operation == CLIENT_DELETE || options->operation == CLIENT_CONFIG_DELETE)
        return DOTS_DELETE;
    if (options->operation == CLIENT_PUT || options->operation == CLIENT_EFFICACY ||
        options->operation == CLIENT_CONFIG_PUT)
        return DOTS_PUT;
    return DOTS_GET;
}

static void request(struct run *run)
{
    static const char *const names[] = {[DOTS_GET] = "GET", [DOTS_PUT] = "PUT", [DOTS_DELETE] = "DELETE"};
    const struct client_options *options = run->options;
    const char *query = run->query;
    struct link_request request = {
        .method = make_path(run),
        .path = run->path,
        .path_count = run->path_count,
        .query = &query,
        .query_count = options->content ? 1 : 0,
        .body = run->body_length ? run->body : NULL,
        .body_length = run->body_length,
        .confirmable = options->operation >= CLIENT_CONFIG_GET && options->operation <= CLIENT_CONFIG_DELETE,
        .observe = options->operation == CLIENT_OBSERVE,
        .if_match = options->operation == CLIENT_EFFICACY,
        .priority = LINK_MITIGATION,
    };

    if (options->content)
        snprintf(run->query, sizeof(run->query), "c=%s", options->content);
    if (options->verbose)
        client_show_request(names[request.method], run->path, run->path_count, options->content ? run->query : NULL,
                            run->body, run->body_length);
    run->exchange = link_request(run->link, &request, answered, run);
    if (!run->exchange) {
        fputs("dots-client: out of memory\n", stderr);
        end(run, CLIENT_LOCAL);
    }
}

static int open_link(struct run *run)
{
    static const struct link_handlers handlers = {
        .up = link_up, .down = link_down, .sid_wanted = sid_wanted, .alert = alert};
    const struct client_options *options = run->options;
    uint8_t key[64];
    struct link_server server = {options->host, options->port, options->addresses, options->address_count};
    struct link_endpoint_settings settings = {
        .name = "dots-client",
        .servers = &server,
        .server_count = 1,
        .transports = options->transports,
        .credentials = {.certificate = options->certificate,
                        .private_key = options->private_key,
                        .trust_anchors = options->trust_anchors,
                        .psk_identity = options->psk_identity},
    };
    struct link_settings link = {.handlers = &handlers, .arg = run, .mitigating = true};
    char hash[23], error[512];
    int length;

    if (options->psk_identity) {
        length = client_psk_key(options->psk_key_file, key, sizeof(key));
        if (length < 0)
            return -1;
        settings.credentials.psk_key = key;
        settings.credentials.psk_key_length = (size_t)length;
    }
    if (!options->cuid && dots_credentials_hash(&settings.credentials, hash) != 0) {
        fprintf(stderr, "dots-client: %s: no cuid can be derived from it; give --cuid\n", options->certificate);
        return -1;
    }
    snprintf(run->cuid, sizeof(run->cuid), "cuid=%s", options->cuid ? options->cuid : hash);
    run->endpoint = link_endpoint_open(&run->loop, &settings, error, sizeof(error));
    memset(key, 0, sizeof(key));
    if (!run->endpoint) {
        fprintf(stderr, "dots-client: %s\n", error);
        return -1;
    }
    run->link = link_open(run->endpoint, &link);
    return run->link ? 0 : -1;
}

int client_run(const struct client_options *options)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    struct run run = {.options = options, .body = malloc(WIRE_BODY_MAX)};

    if (!run.body || client_body(options, run.body, WIRE_BODY_MAX, &run.body_length) != 0) {
        free(run.body);
        return CLIENT_LOCAL;
    }
    uv_loop_init(&run.loop);
    if (open_link(&run) != 0) {
        uv_run(&run.loop, UV_RUN_DEFAULT);
        uv_loop_close(&run.loop);
        free(run.body);
        return CLIENT_LOCAL;
    }
    uv_timer_init(&run.loop, &run.timer);
    run.timer.data = &run;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_init(&run.loop, &run.signals[i]);
        run.signals[i].data = &run;
        uv_signal_start(&run.signals[i], interrupted, numbers[i]);
    }
    if (options->operation != CLIENT_HOLD) {
        uv_timer_start(&run.timer, late, (uint64_t)(options->timeout * 1000), 0);
        request(&run);
    }
    uv_run(&run.loop, UV_RUN_DEFAULT);
    uv_loop_close(&run.loop);
    free(run.body);
    return run.status;
}
