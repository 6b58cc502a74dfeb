/* One link in a played world, and a server that behaves unless told otherwise. */
#pragma once

#include "tests/unit/northbound_fake.h"

#include "northbound/signal/link_state.h"

struct fixture {
    struct link_endpoint *endpoint;
    struct link *link;
    unsigned ups, downs, sids_wanted, silences, hearings;
    bool withhold_sid;
    uint32_t sid;
    char down_text[1200], events[1024], alert_text[1024];
    /* The server's manners */
    uint64_t rtt;
    bool silent, silent_config, silent_heartbeat, silent_mitigate;
    uint8_t config_get_code, config_put_code; /* 0: 2.05, 2.01 */
    unsigned put_refusals;                    /* 4.22 for so many PUT config */
    int64_t config_max_age;
    uint32_t interval_mitigating, interval_idle; /* offered as current */
    char redirect_from[64], redirect_to[64], redirect_record[64];
    int64_t redirect_max_age;
};

static struct fixture fixture;

/* What a request got. */
struct answered {
    unsigned count;
    enum link_result result;
    uint8_t code;
    int32_t observe;
};

static __attribute__((unused)) void on_answer(void *arg, enum link_result result, const struct dots_response *response)
{
    struct answered *answered = arg;

    answered->count++;
    answered->result = result;
    answered->code = response ? response->code : 0;
    answered->observe = response ? response->observe : -1;
}

static void on_up(void *arg)
{
    ((struct fixture *)arg)->ups++;
}

static void on_down(void *arg, const char *text)
{
    struct fixture *self = arg;

    self->downs++;
    snprintf(self->down_text, sizeof(self->down_text), "%s", text);
}

static void on_sid_wanted(void *arg)
{
    struct fixture *self = arg;

    self->sids_wanted++;
    if (!self->withhold_sid)
        link_set_sid(self->link, ++self->sid);
}

static void on_alert(void *arg, const char *event, const char *text)
{
    struct fixture *self = arg;
    size_t length = strlen(self->events);

    snprintf(self->events + length, sizeof(self->events) - length, "%s ", event);
    snprintf(self->alert_text, sizeof(self->alert_text), "%s", text);
}

static void on_silent(void *arg)
{
    ((struct fixture *)arg)->silences++;
}

static void on_heard(void *arg)
{
    ((struct fixture *)arg)->hearings++;
}

static const struct link_handlers fixture_handlers = {.up = on_up,
                                                      .down = on_down,
                                                      .sid_wanted = on_sid_wanted,
                                                      .alert = on_alert,
                                                      .silent = on_silent,
                                                      .heard = on_heard};

static void offer_set(struct wire_config_value *set, uint32_t interval)
{
    set[WIRE_HEARTBEAT_INTERVAL] = (struct wire_config_value){true, true, true, 240, 15, interval};
    set[WIRE_MISSING_HB_ALLOWED] = (struct wire_config_value){true, true, true, 20, 3, 5};
    set[WIRE_PROBING_RATE] = (struct wire_config_value){true, true, true, 20, 5, 15};
    set[WIRE_MAX_RETRANSMIT] = (struct wire_config_value){true, true, true, 15, 2, 3};
    set[WIRE_ACK_TIMEOUT] = (struct wire_config_value){true, true, true, 3000, 100, 200};
    set[WIRE_ACK_RANDOM_FACTOR] = (struct wire_config_value){true, true, true, 400, 110, 150};
}

static void serve_config(const struct fake_sent *sent)
{
    struct wire_message message = {.type = WIRE_SIGNAL_CONFIG, .config = {.has_mitigating = true, .has_idle = true}};

    offer_set(message.config.mitigating, fixture.interval_mitigating);
    offer_set(message.config.idle, fixture.interval_idle);
    if (fixture.silent_config)
        return;
    if (sent->method == DOTS_GET) {
        uint8_t code = fixture.config_get_code ? fixture.config_get_code : DOTS_CODE(2, 5);
        struct fake_event *event = fake_answer(sent, code, DOTS_CODE_CLASS(code) == 2 ? &message : NULL, fixture.rtt);

        event->response.max_age = fixture.config_max_age;
        if (sent->observe == 0 && DOTS_CODE_CLASS(code) == 2)
            event->response.observe = 1;
    } else if (fixture.put_refusals > 0) {
        fixture.put_refusals--;
        fake_answer(sent, DOTS_CODE(4, 22), NULL, fixture.rtt);
    } else {
        fake_answer(sent, fixture.config_put_code ? fixture.config_put_code : DOTS_CODE(2, 1), NULL, fixture.rtt);
    }
}

static void serve_mitigate(const struct fake_sent *sent)
{
    const char *records[] = {fixture.redirect_record};
    struct wire_message redirect = {.type = WIRE_REDIRECT,
                                    .redirect = {.alt_server = fixture.redirect_to, .records = {records, 1}}};

    if (fixture.redirect_from[0] && strcmp(sent->host, fixture.redirect_from) == 0) {
        if (!fixture.redirect_record[0])
            redirect.redirect.records.count = 0;
        fake_answer(sent, DOTS_CODE(5, 3), &redirect, fixture.rtt)->response.max_age = fixture.redirect_max_age;
    } else if (!fixture.silent_mitigate) {
        struct fake_event *event = fake_answer(sent,
                                               sent->method == DOTS_PUT      ? DOTS_CODE(2, 1)
                                               : sent->method == DOTS_DELETE ? DOTS_CODE(2, 2)
                                                                             : DOTS_CODE(2, 5),
                                               NULL, fixture.rtt);

        if (sent->observe == 0)
            event->response.observe = 10;
    }
}

static void serve(const struct fake_sent *sent)
{
    if (fixture.silent)
        return;
    if (strstr(sent->path, "/config"))
        serve_config(sent);
    else if (strstr(sent->path, "/hb")) {
        if (!fixture.silent_heartbeat)
            fake_answer(sent, DOTS_CODE(2, 4), NULL, fixture.rtt);
    } else
        serve_mitigate(sent);
}

#define V6 "2001:db8::1"
#define V4 "192.0.2.1"

static __attribute__((unused)) struct link *fixture_link(bool mitigating)
{
    struct link_settings settings = {
        .handlers = &fixture_handlers,
        .arg = &fixture,
        .mitigating = mitigating,
        .negotiate = true,
        .wanted = {.mitigating = {15, 5, 10, 3, 200, 150}, .idle = {60, 5, 10, 4, 300, 150}}};

    fixture.link = link_open(fixture.endpoint, &settings);
    assert_non_null(fixture.link);
    return fixture.link;
}

static void fixture_endpoint(const struct link_server *servers, size_t count, unsigned transports)
{
    struct link_endpoint_settings settings = {
        .name = "gw.example", .servers = servers, .server_count = count, .transports = transports};
    char error[256];

    fixture.endpoint = link_endpoint_open(&fake.loop, &settings, error, sizeof(error));
    assert_non_null(fixture.endpoint);
}

/* One server, dual stack, everything reachable within 40 ms. */
static int fixture_setup(void **state)
{
    static const char *const addresses[] = {V6, V4};
    const struct link_server server = {"a.example", 4646, addresses, 2};

    (void)state;
    fake_reset();
    memset(&fixture, 0, sizeof(fixture));
    fixture.rtt = 20;
    fixture.config_max_age = 86400;
    fixture.interval_mitigating = fixture.interval_idle = 30;
    fake.server = serve;
    fake_path(V6, DOTS_UDP, FAKE_UP, 40);
    fake_path(V4, DOTS_UDP, FAKE_UP, 40);
    fake_path(V6, DOTS_TCP, FAKE_UP, 40);
    fake_path(V4, DOTS_TCP, FAKE_UP, 40);
    fixture_endpoint(&server, 1, DOTS_UDP | DOTS_TCP);
    return 0;
}

static void fixture_closed(void *arg)
{
    *(bool *)arg = true;
}

static int fixture_teardown(void **state)
{
    bool closed = false;

    (void)state;
    link_endpoint_close(fixture.endpoint, fixture_closed, &closed);
    fake_assert_empty();
    assert_true(closed);
    fake_reset();
    return 0;
}

/* A server of its own instead of the one that setup made. */
static __attribute__((unused)) void fixture_servers(const struct link_server *servers, size_t count,
                                                    unsigned transports)
{
    bool closed = false;

    link_endpoint_close(fixture.endpoint, fixture_closed, &closed);
    fake_run(1);
    assert_true(closed);
    fixture_endpoint(servers, count, transports);
}

static __attribute__((unused)) struct exchange *fixture_put(struct answered *answered)
{
    static const char *const path[] = {".well-known", "dots", "mitigate", "cuid=dz6pHjaADkaFTbjr0JGBpw", "mid=1"};
    static const uint8_t body[] = {0xa0};
    struct link_request request = {.method = DOTS_PUT,
                                   .path = path,
                                   .path_count = 5,
                                   .body = body,
                                   .body_length = 1,
                                   .hop_limit = 15,
                                   .priority = LINK_MITIGATION};

    return link_request(fixture.link, &request, on_answer, answered);
}

static __attribute__((unused)) struct exchange *fixture_observe(struct answered *answered)
{
    static const char *const path[] = {".well-known", "dots", "mitigate", "cuid=dz6pHjaADkaFTbjr0JGBpw", "mid=1"};
    struct link_request request = {
        .method = DOTS_GET, .path = path, .path_count = 5, .observe = true, .priority = LINK_STATUS};

    return link_request(fixture.link, &request, on_answer, answered);
}

#define link_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
