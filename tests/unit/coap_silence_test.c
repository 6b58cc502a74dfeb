/* Handshakes that stand still are given up in half a minute, on either side. All wait at the same time. */
/* links: coap log */
#include "tests/unit/coap_raw.h"

#define PATIENCE 60000

static int silent_udp, silent_tcp;
static struct dots_session *waiting[3];

static int bound_socket(int type, uint16_t *port)
{
    struct sockaddr_storage address;
    socklen_t length = fill_address(&address, "127.0.0.1", 0);
    int descriptor = socket(AF_INET, type, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(descriptor, 1), 0);
    *port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    return descriptor;
}

static bool all_given_up(void)
{
    return north.downs == 3 && south.failures == 2; /* the wrong key, and the one that says nothing */
}

static bool have_given_up(struct side *side, const char *why)
{
    return strstr(side->why, why) != NULL;
}

static void test_silent_peers(void **state)
{
    (void)state;
    uint16_t port_udp, port_tcp;
    struct dots_endpoint_settings of_south = south_settings(), of_north = psk_settings();
    silent_udp = bound_socket(SOCK_DGRAM, &port_udp);
    silent_tcp = bound_socket(SOCK_STREAM, &port_tcp);
    south.endpoint = open_endpoint(&of_south);
    /* a wrong key is silence over DTLS: what does not decrypt is dropped */
    of_north.credentials.psk_key = (const uint8_t *)"a wrong key";
    of_north.credentials.psk_key_length = 11;
    north.endpoint = open_endpoint(&of_north);
    uint16_t port = listen_on(south.endpoint, "127.0.0.1", DOTS_UDP);
    waiting[0] = connect_with(north.endpoint, "127.0.0.1", port, DOTS_UDP, NULL, NULL);
    waiting[1] = connect_with(north.endpoint, "127.0.0.1", port_udp, DOTS_UDP, NULL, NULL);
    waiting[2] = connect_with(north.endpoint, "127.0.0.1", port_tcp, DOTS_TCP, NULL, NULL);
    /* and a client that connects and says nothing */
    raw_open(DOTS_TCP, listen_on(south.endpoint, "127.0.0.1", DOTS_TCP));
    uint64_t before = uv_now(&loop);
    if (!run_until_for(all_given_up, PATIENCE))
        fail_msg("north: %u down, %s; south: %u failed, %s", north.downs, north.why, south.failures, south.failure);
    assert_true(uv_now(&loop) - before > 25000);
    assert_int_equal(north.ups + south.ups, 0);
    assert_int_equal(north.reason, DOTS_DOWN_HANDSHAKE);
    assert_true(have_given_up(&north, "no answer"));
    assert_non_null(strstr(south.failure, "went silent or away"));
    for (size_t i = 0; i < 3; i++)
        dots_session_unref(waiting[i]);
    SSL_free(raw.ssl);
    SSL_CTX_free(raw.context);
    close(raw.descriptor);
    close(silent_udp);
    close(silent_tcp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_pair(test_silent_peers)};
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
