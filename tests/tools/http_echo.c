/*
 * http_echo: a server of gateway/http for tests with clients of other people.
 * links: http log
 *
 *     http_echo [-t CERTIFICATE KEY ANCHORS none|optional|required] [-u SOCKET] [-l LIMIT=NUMBER]...
 *
 * Says "port N" once it listens on 127.0.0.1, ends on SIGTERM, reads its credentials anew on SIGHUP. Paths: /echo sends
 * the body back; /about says who asks; /big?BYTES from memory; /made?BYTES is made while it is sent; /later?MS answers
 * after that; /watch?N sends N lines, one each 20 ms; /flood writes to the stream without end; /drop answers nothing;
 * /counters.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/http/http.h"
#include "gateway/log/log.h"

static uv_loop_t *loop;
static struct http_server *server;
static struct http_settings settings;
static char error[256];

struct job {
    uv_timer_t timer;
    struct http_exchange *exchange;
    unsigned left;
    bool gone, flood;
};

static void fail(const char *text)
{
    fprintf(stderr, "http_echo: %s\n", text);
    exit(1);
}

static void on_job_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_job(struct job *job)
{
    uv_close((uv_handle_t *)&job->timer, on_job_closed);
}

static void answer_later(uv_timer_t *timer)
{
    struct job *job = timer->data;
    http_respond(job->exchange, 200, NULL, 0, "later\n", 6);
    end_job(job);
}

static void write_line(uv_timer_t *timer)
{
    struct job *job = timer->data;
    static char lump[4096];
    const char *text = job->flood ? lump : "line\n";
    if (job->gone || job->left == 0 ||
        (http_stream_write(job->exchange, text, job->flood ? sizeof lump : strlen(text)) != 0 && job->gone)) {
        http_stream_end(job->exchange);
        end_job(job);
    } else if (!job->flood) {
        job->left--;
    }
}

static void start_job(struct http_exchange *exchange, uv_timer_cb run, unsigned wait, unsigned repeat, unsigned left)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        fail("out of memory");
    job->exchange = exchange;
    job->left = left;
    job->flood = repeat == 1;
    job->timer.data = job;
    http_exchange_set_user(exchange, job);
    uv_timer_init(loop, &job->timer);
    uv_timer_start(&job->timer, run, wait, repeat);
}

struct made {
    size_t left;
};

static ssize_t make(void *arg, uint8_t *to, size_t size)
{
    struct made *made = arg;
    size = size < made->left ? size : made->left;
    memset(to, 'm', size);
    made->left -= size;
    return (ssize_t)size;
}

static void respond_made(struct http_exchange *exchange, size_t size)
{
    struct made *made = malloc(sizeof *made);
    if (made == NULL)
        fail("out of memory");
    made->left = size;
    http_respond_source(exchange, 200, NULL, 0, &(struct http_source){.read = make, .release = free, .arg = made});
}

static void respond_big(struct http_exchange *exchange, size_t size)
{
    char *body = malloc(size + 1);
    if (body == NULL)
        fail("out of memory");
    memset(body, 'b', size);
    http_respond_with(exchange, 200, NULL, 0, body, size, free, body);
}

static void respond_text(struct http_exchange *exchange, const char *text)
{
    http_respond(exchange, 200, &(struct http_header){"content-type", "text/plain"}, 1, text, strlen(text));
}

static void respond_about(struct http_exchange *exchange, const struct http_request *request)
{
    char text[512], name[128] = "-";
    const struct http_peer *peer = request->peer;
    if (peer->certificate != NULL)
        X509_NAME_get_text_by_NID(X509_get_subject_name(peer->certificate), NID_commonName, name, sizeof name);
    snprintf(text, sizeof text, "%s %s %s version=%u certificate=%s secure=%d uid=%d authority=%s\n", request->method,
             request->path, request->query != NULL ? request->query : "-", request->version, name, peer->secure,
             (int)peer->uid, request->authority);
    respond_text(exchange, text);
}

static void respond_counters(struct http_exchange *exchange)
{
    const struct http_counters *counters = http_counters(server);
    char text[512];
    snprintf(text, sizeof text,
             "connections=%u memory=%zu accepted=%llu turned_away=%llu handshakes_failed=%llu requests=%llu "
             "refused=%llu floods=%llu too_slow=%llu\n",
             counters->connections, counters->memory, (unsigned long long)counters->accepted,
             (unsigned long long)counters->turned_away, (unsigned long long)counters->handshakes_failed,
             (unsigned long long)counters->requests, (unsigned long long)counters->refused,
             (unsigned long long)counters->floods, (unsigned long long)counters->too_slow);
    respond_text(exchange, text);
}

static void on_request(void *arg, struct http_exchange *exchange, const struct http_request *request)
{
    (void)arg;
    const char *path = request->path;
    unsigned long number = request->query != NULL ? strtoul(request->query, NULL, 10) : 1;
    if (strcmp(path, "/echo") == 0) {
        http_respond(exchange, 200, NULL, 0, request->body, request->body_length);
    } else if (strcmp(path, "/about") == 0) {
        respond_about(exchange, request);
    } else if (strcmp(path, "/big") == 0) {
        respond_big(exchange, number);
    } else if (strcmp(path, "/made") == 0) {
        respond_made(exchange, number);
    } else if (strcmp(path, "/later") == 0) {
        start_job(exchange, answer_later, (unsigned)number, 0, 0);
    } else if (strcmp(path, "/watch") == 0 || strcmp(path, "/flood") == 0) {
        unsigned repeat = path[1] == 'f' ? 1 : 20;
        http_stream_begin(exchange, 200, NULL, 0);
        start_job(exchange, write_line, repeat, repeat, (unsigned)number);
    } else if (strcmp(path, "/drop") == 0) {
        http_drop(exchange);
    } else if (strcmp(path, "/counters") == 0) {
        respond_counters(exchange);
    } else {
        http_respond(exchange, 404, NULL, 0, NULL, 0);
    }
}

static void on_gone(void *arg, struct http_exchange *exchange)
{
    (void)arg;
    struct job *job = http_exchange_user(exchange);
    if (job != NULL)
        job->gone = true;
}

static const struct http_handlers handlers = {.request = on_request, .gone = on_gone};

static void on_signal(uv_signal_t *handle, int number)
{
    if (number == SIGHUP) {
        int done = http_reload_tls(server, &settings.tls, error, sizeof error);
        printf("reload %s\n", done == 0 ? "done" : error);
        fflush(stdout);
        return;
    }
    uv_signal_t *hang_up = handle->data;
    http_close(server, 1000, NULL, NULL);
    uv_close((uv_handle_t *)handle, NULL);
    uv_close((uv_handle_t *)hang_up, NULL);
}

static void set_limit(const char *text)
{
    struct http_limits *limits = &settings.limits;
    const struct {
        const char *name;
        unsigned *small;
        size_t *large;
    } all[] = {
        {"connections", &limits->connections, NULL}, {"per_source", &limits->connections_per_source, NULL},
        {"streams", &limits->streams, NULL},         {"header_ms", &limits->header_ms, NULL},
        {"body_ms", &limits->body_ms, NULL},         {"idle_ms", &limits->idle_ms, NULL},
        {"write_ms", &limits->write_ms, NULL},       {"body_bytes", NULL, &limits->body_bytes},
        {"memory", NULL, &limits->memory},           {"stream_queue", NULL, &limits->stream_queue},
    };
    const char *equals = strchr(text, '=');
    for (size_t i = 0; i < sizeof all / sizeof all[0] && equals != NULL; i++) {
        if (strncmp(text, all[i].name, (size_t)(equals - text)) != 0 || all[i].name[equals - text] != '\0')
            continue;
        unsigned long value = strtoul(equals + 1, NULL, 10);
        if (all[i].small != NULL)
            *all[i].small = (unsigned)value;
        else
            *all[i].large = value;
        return;
    }
    fail("no such limit");
}

static enum http_client_certificate policy(const char *word)
{
    return strcmp(word, "required") == 0   ? HTTP_CLIENT_CERTIFICATE_REQUIRED
           : strcmp(word, "optional") == 0 ? HTTP_CLIENT_CERTIFICATE_OPTIONAL
                                           : HTTP_CLIENT_CERTIFICATE_NONE;
}

int main(int count, char **words)
{
    const char *path = NULL;
    uv_signal_t end, hang_up;
    loop = uv_default_loop();
    settings.name = "echo";
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "-t") == 0 && i + 4 < count) {
            settings.tls = (struct http_tls){.certificate = words[i + 1],
                                             .private_key = words[i + 2],
                                             .trust_anchors = words[i + 3],
                                             .client_certificate = policy(words[i + 4])};
            i += 4;
        } else if (strcmp(words[i], "-u") == 0 && i + 1 < count) {
            path = words[++i];
        } else if (strcmp(words[i], "-l") == 0 && i + 1 < count) {
            set_limit(words[++i]);
        } else {
            fail("usage: see the source");
        }
    }
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    signal(SIGPIPE, SIG_IGN);
    server = http_open(loop, &settings, &handlers, NULL, error, sizeof error);
    if (server == NULL)
        fail(error);
    int port = http_listen_tcp(server, "127.0.0.1", 0, error, sizeof error);
    if (port < 0 || (path != NULL && http_listen_unix(server, path, 0600, error, sizeof error) != 0))
        fail(error);
    uv_signal_init(loop, &end);
    uv_signal_init(loop, &hang_up);
    end.data = &hang_up;
    uv_signal_start(&end, on_signal, SIGTERM);
    uv_signal_start(&hang_up, on_signal, SIGHUP);
    printf("port %d\n", port);
    fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return 0;
}
