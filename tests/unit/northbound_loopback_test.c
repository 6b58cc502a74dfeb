/* The whole way north on loopback: relay, northbound, DTLS and TLS, against a server that plays a script. */
/* links: northbound_signal aggregation wire coap store log */

#include "tests/unit/northbound_loopback_fixture.h"

/* ---- Life ---- */

static struct config_range range(uint32_t current)
{
    return (struct config_range){0, 100000, current};
}

static void configure(unsigned transports, bool psk, const char *address)
{
    struct config_session session = {range(30), range(15), range(5), range(3), range(200), range(150)};

    way.config.gateway.name = (char *)(uintptr_t) "gw.example";
    way.config.mitigating = way.config.idle = session;
    way.config.upstreams = &way.upstream;
    way.config.upstream_count = 1;
    way.addresses[0] = (char *)(uintptr_t)address;
    way.server_config[0] = (struct config_server){.host = (char *)(uintptr_t)SERVER_NAME,
                                                  .port = way.servers[0].port,
                                                  .addresses = {.at = way.addresses, .count = 1}};
    way.upstream = (struct config_upstream){.name = (char *)(uintptr_t) "isp",
                                            .servers = way.server_config,
                                            .server_count = 1,
                                            .transports = transports,
                                            .mtu = 1280};
    if (psk)
        way.upstream.credentials = (struct config_credentials){
            .psk_identity = (char *)(uintptr_t) "gw",
            .psk_key = {.at = (uint8_t *)(uintptr_t)psk_key, .length = sizeof(psk_key) - 1}};
    else
        way.upstream.credentials = (struct config_credentials){
            .certificate = pki_client.certificate, .private_key = pki_client.key, .trust_anchors = pki_ca.certificate};
}

static void gateway_open(unsigned transports, bool psk, const char *address)
{
    char error[256] = "";

    configure(transports, psk, address);
    way.target = (struct relay_target){.name = "isp", .kind = RELAY_UPSTREAM};
    way.policy = (struct relay_policy){.name = "gw.example",
                                       .targets = &way.target,
                                       .target_count = 1,
                                       .response_wait_ms = 1000,
                                       .terminating_initial_ms = 120000,
                                       .terminating_max_ms = 300000,
                                       .mitigations_max = 1000,
                                       .hop_limit = 16};
    way.store = store_open(&way.loop, way.folder, on_commit, NULL, error, sizeof(error));
    way.relay = relay_new(&way.policy, &effects, NULL);
    way.northbound = northbound_open(&way.loop, &way.config, way.relay, way.store, wall, error, sizeof(error));
    if (!way.store || !way.relay || !way.northbound)
        fail_msg("%s", error);
    uv_timer_init(&way.loop, &way.tick);
    uv_timer_start(&way.tick, on_tick, 20, 20);
    relay_start(way.relay, wall());
    northbound_start(way.northbound);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static bool is_closed(void)
{
    return way.closed;
}

static void gateway_close(void)
{
    uv_timer_stop(&way.tick);
    way.closed = false;
    northbound_close(way.northbound, on_closed, &way.closed);
    relay_free(way.relay);
    way.relay = NULL;
    wait_for(is_closed);
    way.closed = false;
    store_close(way.store, on_closed, &way.closed);
    wait_for(is_closed);
    uv_close((uv_handle_t *)&way.tick, NULL);
}

static int setup(void **state)
{
    (void)state;
    memset(&way, 0, sizeof(way));
    snprintf(way.folder, sizeof(way.folder), "/tmp/northbound-XXXXXX");
    if (!mkdtemp(way.folder))
        return -1;
    uv_loop_init(&way.loop);
    make_certificate(&way.alt, "alt", &pki_ca, "DNS:alt.example", 30);
    return 0;
}

static int teardown(void **state)
{
    DIR *folder;
    const struct dirent *entry;
    char path[400];

    (void)state;
    if (way.northbound)
        gateway_close();
    for (size_t i = 0; i < 2; i++) {
        if (way.servers[i].endpoint)
            server_close(&way.servers[i]);
    }
    uv_run(&way.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&way.loop), 0); /* every handle was let go */
    forget_certificate(&way.alt);
    folder = opendir(way.folder);
    while ((entry = readdir(folder))) {
        snprintf(path, sizeof(path), "%s/%s", way.folder, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    return rmdir(way.folder);
}

/* A client of the gateway asks for 203.0.113.MID/32. */
static void ask(uint32_t mid)
{
    struct wire_prefix prefix = {.family = 4, .length = 32, .addr = {203, 0, 113, (uint8_t)mid}};
    struct wire_scope scope = {
        .target = {.prefixes = &prefix, .prefix_count = 1}, .has_lifetime = true, .lifetime = 3600, .trigger = true};
    struct relay_put put = {.requester = {.client = "web", .cdid = "", .cuid = "web-cuid", .identity_hash = "hash"},
                            .limits = {.mitigations = 1000, .cuids = 16, .max_lifetime = 86400},
                            .mid = mid,
                            .scope = &scope,
                            .hop_limit = 15,
                            .exchange = &way};

    way.answer_code = 0;
    relay_put(way.relay, wall(), &put);
}

static void withdraw(uint32_t mid)
{
    struct relay_requester requester = {.client = "web", .cdid = "", .cuid = "web-cuid", .identity_hash = "hash"};

    relay_delete(way.relay, wall(), &requester, mid, &way);
}

static enum wire_status status_of(uint32_t mid)
{
    const struct requester *requester = relay_requester_find(way.relay, "", "web-cuid");
    const struct mitigation *mitigation = requester ? relay_mitigation_find(requester, mid) : NULL;
    struct wire_scope scope;

    if (!mitigation)
        return 0;
    mitigation_represent(mitigation, wall(), MITIGATION_ALL, &scope);
    return scope.status;
}

/* ---- Conditions ---- */

static bool answered(void)
{
    return way.answer_code != 0;
}

static unsigned installed(const struct upstream_server *server)
{
    unsigned count = 0;

    for (size_t i = 0; i < MIDS_MAX; i++)
        count += server->installed[i];
    return count;
}

static bool one_installed(void)
{
    return installed(&way.servers[0]) == 1;
}

static bool none_installed(void)
{
    return installed(&way.servers[0]) == 0;
}

static bool one_installed_at_the_alternate(void)
{
    return installed(&way.servers[1]) == 1;
}

static bool observed(void)
{
    return way.servers[0].observer_count > 0;
}

static bool configured(void)
{
    return way.servers[0].config_puts > 0;
}

static bool connected_twice(void)
{
    return way.servers[0].sessions == 2;
}

static bool in_progress(void)
{
    return status_of(1) == WIRE_STATUS_IN_PROGRESS;
}

static bool mitigated(void)
{
    return status_of(1) == WIRE_STATUS_MITIGATED;
}

/* ---- Tests ---- */

static void install_and_withdraw(unsigned listens, unsigned transports, bool psk, const char *address)
{
    static struct wire_scope scope;
    static uint8_t body[256];
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    struct dots_request request = {.method = DOTS_GET, .observe = 0};
    struct dots_response response = {
        .code = DOTS_CODE(2, 5), .content_format = DOTS_CONTENT_FORMAT, .max_age = -1, .body = body};
    struct upstream_server *server = &way.servers[0];

    server_open(server, &pki_server, address, 0, listens);
    gateway_open(transports, psk, address);
    ask(1);
    wait_for(answered);
    assert_int_equal(way.answer_code, 201);
    wait_for(one_installed);
    wait_for(observed);
    wait_for(in_progress);
    wait_for(configured);
    scope = (struct wire_scope){.has_mid = true,
                                .mid = server->observers[0].mid,
                                .trigger = true,
                                .status = WIRE_STATUS_MITIGATED,
                                .has_bytes = true,
                                .bytes_dropped = 134334555};
    response.body_length = wire_encode_cbor(&message, body, sizeof(body));
    response.observe = (int32_t)++server->sequence;
    assert_int_equal(dots_notify(server->observers[0].session, &server->observers[0].token, &request, &response), 0);
    wait_for(mitigated);
    withdraw(1);
    wait_for(none_installed);
    assert_int_equal(server->puts, 1);
    assert_int_equal(server->sessions, 1);
}

static void test_certificate_over_dtls(void **state)
{
    (void)state;
    install_and_withdraw(DOTS_UDP | DOTS_TCP, CONFIG_UDP | CONFIG_TCP, false, "127.0.0.1");
    assert_int_equal(dots_session_transport(way.servers[0].session), DOTS_UDP);
    gateway_close();
    way.northbound = NULL;
    assert_int_equal(way.servers[0].closed_in_order, 1); /* close_notify */
}

static void test_psk_over_dtls_and_ipv6(void **state)
{
    (void)state;
    install_and_withdraw(DOTS_UDP, CONFIG_UDP, true, "::1");
    assert_string_equal(way.servers[0].identity, "gw");
}

static void test_certificate_over_tls_when_udp_is_not_there(void **state)
{
    (void)state;
    install_and_withdraw(DOTS_TCP, CONFIG_UDP | CONFIG_TCP, false, "127.0.0.1");
    assert_int_equal(dots_session_transport(way.servers[0].session), DOTS_TCP);
}

static void test_rfc9132_7_1_server_of_another_name_is_not_talked_to(void **state)
{
    (void)state;
    server_open(&way.servers[0], &way.alt, "127.0.0.1", 0, DOTS_UDP | DOTS_TCP);
    gateway_open(CONFIG_UDP | CONFIG_TCP, false, "127.0.0.1");
    ask(1);
    wait_for(answered);
    assert_int_equal(way.answer_code, 201); /* kept, and delivered when it can be */
    while (!strstr(way.log, "upstream-down"))
        uv_run(&way.loop, UV_RUN_ONCE);
    assert_int_equal(way.servers[0].puts, 0);
    assert_int_equal(installed(&way.servers[0]), 0);
}

static void test_unanswered_puts_are_repeated(void **state)
{
    (void)state;
    server_open(&way.servers[0], &pki_server, "127.0.0.1", 0, DOTS_UDP);
    gateway_open(CONFIG_UDP, true, "127.0.0.1");
    way.servers[0].drop_puts = 3;
    ask(1);
    wait_for(one_installed);
    assert_int_equal(way.servers[0].puts, 4);
}

static bool is_held(void)
{
    return way.servers[0].held != NULL;
}

static void test_late_answer_is_taken(void **state)
{
    struct upstream_server *server = &way.servers[0];

    (void)state;
    server_open(server, &pki_server, "127.0.0.1", 0, DOTS_TCP);
    gateway_open(CONFIG_TCP, false, "127.0.0.1");
    server->hold = true;
    ask(1);
    wait_for(is_held);
    wait_for(answered); /* after response-wait, with what is known then */
    assert_int_equal(way.answer_code, 201);
    server->installed[1] = true;
    reply(server->held, DOTS_CODE(2, 1), NULL, -1, -1);
    server->held = NULL;
    wait_for(observed);
    wait_for(in_progress);
    assert_int_equal(server->puts, 1);
}

static void test_rfc9132_4_5_2_config_refused_once(void **state)
{
    (void)state;
    server_open(&way.servers[0], &pki_server, "127.0.0.1", 0, DOTS_UDP);
    way.servers[0].refuse_config = 1;
    gateway_open(CONFIG_UDP, false, "127.0.0.1");
    wait_for(configured);
    while (way.servers[0].config_puts < 2)
        uv_run(&way.loop, UV_RUN_ONCE);
    assert_int_equal(way.servers[0].config_gets, 2);
}

static void test_rfc9132_4_6_redirected_to_an_alternate_server(void **state)
{
    (void)state;
    server_open(&way.servers[0], &pki_server, "127.0.0.1", 0, DOTS_UDP);
    server_open(&way.servers[1], &way.alt, "127.0.0.2", way.servers[0].port, DOTS_UDP);
    way.servers[0].redirect_to = "alt.example";
    way.servers[0].redirect_record = "127.0.0.2";
    gateway_open(CONFIG_UDP, false, "127.0.0.1");
    ask(1);
    wait_for(one_installed_at_the_alternate);
    wait_for(answered);
    assert_int_equal(way.answer_code, 201);
    assert_int_equal(way.servers[0].puts, 1);
}

static void test_rfc9132_4_6_redirected_in_a_circle(void **state)
{
    (void)state;
    server_open(&way.servers[0], &pki_server, "127.0.0.1", 0, DOTS_UDP);
    way.servers[0].redirect_to = SERVER_NAME;
    way.servers[0].redirect_record = "127.0.0.1";
    gateway_open(CONFIG_UDP, false, "127.0.0.1");
    ask(1);
    wait_for(answered);
    assert_int_equal(way.answer_code, 503);
    assert_non_null(strstr(way.log, "redirect-loop"));
}

static void test_upstream_that_restarts_empty_is_repaired(void **state)
{
    struct upstream_server *server = &way.servers[0];
    struct dots_endpoint *before;

    (void)state;
    server_open(server, &pki_server, "127.0.0.1", 0, DOTS_UDP);
    gateway_open(CONFIG_UDP, false, "127.0.0.1");
    ask(1);
    wait_for(observed);
    /* The port is taken over while it is open: who finds it closed comes back in a minute. */
    before = server->endpoint;
    memset(server->installed, 0, sizeof(server->installed));
    server->observer_count = 0;
    server->closed = false;
    server_open(server, &pki_server, "127.0.0.1", server->port, DOTS_UDP);
    dots_endpoint_close(before, server_closed, server); /* says goodbye to its sessions */
    wait_for(server_is_closed);
    wait_for(connected_twice);
    wait_for(one_installed);
    wait_for(observed);
    assert_true(server->lists > 0);
}

static void test_rfc9132_7_1_session_is_resumed(void **state)
{
    struct upstream_server *server = &way.servers[0];

    (void)state;
    server_open(server, &pki_server, "127.0.0.1", 0, DOTS_UDP);
    gateway_open(CONFIG_UDP, false, "127.0.0.1");
    wait_for(configured);
    dots_session_close(server->session);
    wait_for(connected_twice);
    assert_int_equal(server->resumed, 1);
}

static void test_leftovers_in_many_blocks_are_withdrawn(void **state)
{
    struct upstream_server *server = &way.servers[0];

    (void)state;
    server_open(server, &pki_server, "127.0.0.1", 0, DOTS_UDP);
    for (uint32_t mid = 300; mid < 500; mid++) /* of a state that is lost: 200 scopes, several blocks */
        server->installed[mid] = true;
    gateway_open(CONFIG_UDP, false, "127.0.0.1");
    ask(1);
    wait_for(one_installed);
    assert_int_equal(server->deletes, 200);
}

static bool heartbeat_answered_by_us(void)
{
    return way.servers[0].heartbeat_answers > 0;
}

static void test_rfc9132_4_7_heartbeat_of_the_server_is_answered(void **state)
{
    const struct wire_message beat = {.type = WIRE_HEARTBEAT, .heartbeat = {true}};
    uint8_t body[32];
    struct dots_request request = {.method = DOTS_PUT,
                                   .observe = -1,
                                   .content_format = DOTS_CONTENT_FORMAT,
                                   .accept = -1,
                                   .hop_limit = -1,
                                   .path = {{".well-known", 11}, {"dots", 4}, {"hb", 2}},
                                   .path_count = 3,
                                   .body = body,
                                   .body_length = wire_encode_cbor(&beat, body, sizeof(body))};
    struct dots_token token;

    (void)state;
    server_open(&way.servers[0], &pki_server, "127.0.0.1", 0, DOTS_UDP);
    gateway_open(CONFIG_UDP, false, "127.0.0.1");
    wait_for(configured);
    dots_token_new(&token);
    assert_int_equal(dots_send(way.servers[0].session, &token, &request), 0);
    wait_for(heartbeat_answered_by_us);
}

#define loopback_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        loopback_test(test_certificate_over_dtls),
        loopback_test(test_psk_over_dtls_and_ipv6),
        loopback_test(test_certificate_over_tls_when_udp_is_not_there),
        loopback_test(test_rfc9132_7_1_server_of_another_name_is_not_talked_to),
        loopback_test(test_unanswered_puts_are_repeated),
        loopback_test(test_late_answer_is_taken),
        loopback_test(test_rfc9132_4_5_2_config_refused_once),
        loopback_test(test_rfc9132_4_6_redirected_to_an_alternate_server),
        loopback_test(test_rfc9132_4_6_redirected_in_a_circle),
        loopback_test(test_upstream_that_restarts_empty_is_repaired),
        loopback_test(test_rfc9132_7_1_session_is_resumed),
        loopback_test(test_leftovers_in_many_blocks_are_withdrawn),
        loopback_test(test_rfc9132_4_7_heartbeat_of_the_server_is_answered),
    };

    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
