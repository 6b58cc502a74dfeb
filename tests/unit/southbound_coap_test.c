/* The server side over the wire: libcoap clients with a PSK and a certificate, over DTLS and TLS, a store on disk. */
/* links: southbound_signal */
#include "tests/unit/coap_fixture.h"
#include "tests/unit/southbound_relay.h"

#define PREFIX(prefix)                                                                         \
    "{\"ietf-dots-signal-channel:mitigation-scope\":{\"scope\":[{\"target-prefix\":[\"" prefix \
    "\"],\"lifetime\":3600}]}}"
#define INTERVAL \
    "{\"ietf-dots-signal-channel:signal-config\":{\"idle-config\":{\"heartbeat-interval\":{\"current-value\":60}}}}"
#define HEARTBEAT "{\"ietf-dots-signal-channel:heartbeat\":{\"peer-hb-status\":false}}"

static char directory[64], psk_identity[] = "web1", www1[] = "www1.example";
static struct config_client_identity identities[2];
static struct dots_token observed;

static int64_t world_now(void)
{
    return 1700000000000 + (int64_t)(uv_hrtime() / 1000000);
}

static void on_commit(void *arg, uint64_t sequence)
{
    (void)arg;
    if (!world.relay)
        return;
    relay_committed(world.relay, world_now(), sequence);
    southbound_committed(world.southbound, sequence);
}

/* A port that is free now on both transports. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), bound = -1;

    for (int i = 0; i < 100 && bound != 0; i++) {
        address.sin_port = 0;
        assert_int_equal(bind(tcp, (struct sockaddr *)&address, sizeof(address)), 0);
        getsockname(tcp, (struct sockaddr *)&address, &length);
        bound = bind(udp, (struct sockaddr *)&address, sizeof(address));
        if (bound != 0) {
            close(tcp);
            tcp = socket(AF_INET, SOCK_STREAM, 0);
        }
    }
    assert_int_equal(bound, 0);
    close(tcp);
    close(udp);
    return ntohs(address.sin_port);
}

static int start(void **state)
{
    char error[512];

    begin(state);
    world_configure();
    identities[0] = (struct config_client_identity){
        .kind = CONFIG_IDENTITY_PSK, .name = psk_identity, .psk_key = {(uint8_t *)psk_key, sizeof(psk_key) - 1}};
    identities[1] = (struct config_client_identity){.kind = CONFIG_IDENTITY_SAN, .name = www1};
    world_clients[0].identities = identities;
    world_clients[0].identity_count = 2;
    world_clients[0].limits.mitigations = 64;
    world_clients[0].limits.requests_per_second = 1000;
    world_listener.port = free_port();
    world_config.tls = (struct config_credentials){
        .certificate = pki_server.certificate, .private_key = pki_server.key, .trust_anchors = pki_ca.certificate};
    snprintf(directory, sizeof(directory), "/tmp/dotsgw-south-XXXXXX");
    assert_non_null(mkdtemp(directory));
    memset(&world, 0, sizeof(world));
    world.store = store_open(&loop, directory, on_commit, NULL, error, sizeof(error));
    assert_non_null(world.store);
    world.relay = relay_new(&world_policy, &world_effects, NULL);
    assert_non_null(world.relay);
    world.southbound = southbound_open(&loop, &world_config, world.relay, world.store, world_now, error, sizeof(error));
    if (!world.southbound)
        fail_msg("%s", error);
    relay_start(world.relay, world_now());
    southbound_start(world.southbound);
    south.closed = true; /* the fixture's own south side is not used */
    return 0;
}

static void south_closed(void *arg)
{
    (void)arg;
    world.closed = true;
}

static bool all_closed(void)
{
    return world.closed && north.closed;
}

static bool world_closed(void)
{
    return world.closed;
}

static int stop(void **state)
{
    struct relay *relay = world.relay;
    char command[128];

    southbound_close(world.southbound, south_closed, NULL);
    relay_free(relay);
    world.relay = NULL;
    close_side(&north);
    if (!run_until_for(all_closed, DEADLINE))
        return -1;
    world.closed = false;
    store_close(world.store, south_closed, NULL);
    if (!run_until_for(world_closed, DEADLINE))
        return -1;
    dots_session_unref(client);
    uv_run(&loop, UV_RUN_NOWAIT);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    (void)state;
    return system(command) + uv_loop_close(&loop);
}

static void connect_client(enum dots_transport transport, bool psk)
{
    struct dots_endpoint_settings settings = psk ? psk_settings() : north_settings();

    north.endpoint = open_endpoint(&settings);
    client = connect_with(north.endpoint, "127.0.0.1", world_listener.port, transport, psk ? NULL : SERVER_NAME, NULL);
    south.ups = 1;
    run_until(both_up);
}

/* Sends a request with a JSON body as CBOR; path without /.well-known/dots. */
static void send_request(enum dots_method method, const char *path, const char *json, int32_t observe)
{
    uint8_t body[8192];
    struct wire_message *message;
    struct wire_error error;
    struct dots_token token;
    struct dots_request request = {
        .method = method,
        .confirmable = method != DOTS_PUT,
        .path = {{".well-known", 11}, {"dots", 4}},
        .path_count = 2,
        .observe = observe,
        .content_format = json ? DOTS_CONTENT_FORMAT : -1,
        .accept = -1,
        .hop_limit = 16,
    };

    for (const char *at = path; *at == '/';) {
        size_t length = strcspn(++at, "/");

        request.path[request.path_count++] = (struct dots_option){at, length};
        at += length;
    }
    if (json) {
        if (wire_decode_json(json, strlen(json), WIRE_TO_SERVER, &message, &error) != 0)
            fail_msg("%s", error.text);
        request.body_length = wire_encode_cbor(message, body, sizeof(body));
        request.body = body;
        wire_free(message);
    }
    north.responses = 0;
    dots_token_new(&token);
    if (observe == 0)
        observed = token;
    assert_int_equal(dots_send(client, &token, &request), 0);
}

static void ask(enum dots_method method, const char *path, const char *json, int code)
{
    int got;

    send_request(method, path, json, -1);
    run_until(north_answered);
    got = DOTS_CODE_CLASS(north.response.code) * 100 + DOTS_CODE_DETAIL(north.response.code);
    if (got != code)
        fail_msg("%s: %d %.*s", path, got, (int)north.response.body_length, (char *)north.response.body);
}

static struct wire_message *heard(void)
{
    struct wire_message *message;
    struct wire_error error;

    assert_int_equal(north.response.content_format, DOTS_CONTENT_FORMAT);
    if (wire_decode_cbor(north.response.body, north.response.body_length, WIRE_TO_CLIENT, &message, &error) != 0)
        fail_msg("%s", error.text);
    return message;
}

static bool status_mitigated(void)
{
    struct wire_message *message;
    bool mitigated;

    if (north.responses == 0 || north.response.token.length != observed.length ||
        memcmp(north.response.token.bytes, observed.bytes, observed.length) != 0)
        return false;
    message = heard();
    mitigated = message->scopes[0].status == WIRE_STATUS_MITIGATED;
    wire_free(message);
    return mitigated;
}

static bool north_asked(void)
{
    return north.requests > 0;
}

/* What RFC 9132 has a client do, from the first request to the withdrawal. */
static void whole_story(enum dots_transport transport, bool psk)
{
    struct relay_report report = {.status = WIRE_STATUS_MITIGATED};
    struct wire_message *message;

    connect_client(transport, psk);
    north.on_request = answer_now;
    north.answer = (struct dots_response){.code = DOTS_CODE(2, 4), .content_format = -1, .max_age = -1, .observe = -1};
    ask(DOTS_GET, "/config", NULL, 205);
    assert_int_equal(north.response.max_age, 600);
    ask(DOTS_PUT, "/config/sid=1", INTERVAL, 201);
    ask(DOTS_PUT, "/mitigate/cuid=c/mid=1", PREFIX("203.0.113.7/32"), 201);
    message = heard();
    assert_int_equal(message->scopes[0].mid, 1);
    wire_free(message);
    ask(DOTS_PUT, "/mitigate/cuid=c/mid=1", PREFIX("203.0.113.7/32"), 204);
    ask(DOTS_PUT, "/mitigate/cuid=c/mid=2", PREFIX("192.0.2.7/32"), 403);
    assert_int_equal(north.response.content_format, -1);
    assert_true(north.response.body_length > 0);
    ask(DOTS_PUT, "/mitigate/mid=2/cuid=c", PREFIX("203.0.113.9/32"), 400);
    ask(DOTS_GET, "/mitigate/cuid=c/mid=9", NULL, 404);
    ask(DOTS_POST, "/mitigate/cuid=c/mid=1", NULL, 405);
    ask(DOTS_GET, "/nothing", NULL, 404);

    send_request(DOTS_GET, "/mitigate/cuid=c/mid=1", NULL, 0);
    run_until(north_answered);
    assert_true(north.response.observe >= 0);
    north.responses = 0;
    relay_job_report(world.relay, world_now(), 0, world.job, &report);
    run_until(status_mitigated);

    north.requests = 0;
    ask(DOTS_PUT, "/hb", HEARTBEAT, 204);
    assert_int_equal(north.response.body_length, 0);
    run_until(north_asked); /* and the server's comes right after it */
    assert_string_equal(north.request.path, ".well-known/dots/hb");
    assert_false(north.request.confirmable);
    ask(DOTS_DELETE, "/mitigate/cuid=c/mid=1", NULL, 202);
    ask(DOTS_DELETE, "/config/sid=1", NULL, 202);
    assert_non_null(relay_requester_find(world.relay, "", "c"));
}

static void test_dtls_with_a_psk(void **state)
{
    (void)state;
    whole_story(DOTS_UDP, true);
}

static void test_dtls_with_a_certificate(void **state)
{
    (void)state;
    whole_story(DOTS_UDP, false);
}

static void test_tls_with_a_psk(void **state)
{
    (void)state;
    whole_story(DOTS_TCP, true);
}

static void test_tls_with_a_certificate(void **state)
{
    (void)state;
    whole_story(DOTS_TCP, false);
}

static void test_rfc9132_4_4_2_what_does_not_fit_a_datagram_comes_in_blocks(void **state)
{
    struct wire_message *message;

    (void)state;
    connect_client(DOTS_UDP, true);
    for (int i = 1; i <= 60; i++) {
        char path[64], body[256];

        snprintf(path, sizeof(path), "/mitigate/cuid=c/mid=%d", i);
        snprintf(body, sizeof(body), PREFIX("203.0.113.%d/32"), i);
        ask(DOTS_PUT, path, body, 201);
    }
    ask(DOTS_GET, "/mitigate/cuid=c", NULL, 205);
    assert_true(north.response.body_length > 1280);
    message = heard();
    assert_int_equal(message->scope_count, 60);
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(message->scopes[i].mid, i + 1);
    wire_free(message);
}

static bool lost(void)
{
    const struct requester *requester = relay_requester_find(world.relay, "", "c");

    return requester && requester->active_count == 1;
}

static void test_rfc9132_4_7_a_silent_session_over_the_wire(void **state)
{
    (void)state;
    /* As short as it can be said: two intervals of one second. */
    world_config.mitigating.heartbeat_interval = world_config.idle.heartbeat_interval = (struct config_range){1, 9, 1};
    world_config.mitigating.missing_hb_allowed = world_config.idle.missing_hb_allowed = (struct config_range){1, 9, 2};
    connect_client(DOTS_UDP, false);
    north.on_request = NULL; /* hears, and does not answer */
    ask(DOTS_PUT, "/mitigate/cuid=c/mid=1",
        "{\"ietf-dots-signal-channel:mitigation-scope\":{\"scope\":[{\"target-prefix\":[\"203.0.113.7/32\"],"
        "\"lifetime\":3600,\"trigger-mitigation\":false}]}}",
        201);
    run_until(lost);
    assert_true(north.requests > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(test_dtls_with_a_psk),
        TEST(test_dtls_with_a_certificate),
        TEST(test_tls_with_a_psk),
        TEST(test_tls_with_a_certificate),
        TEST(test_rfc9132_4_4_2_what_does_not_fit_a_datagram_comes_in_blocks),
        TEST(test_rfc9132_4_7_a_silent_session_over_the_wire),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
