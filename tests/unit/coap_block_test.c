/* Bodies in blocks, RFC 7959: Block1 and Block2 of a server, Block2 of a client. */
/* links: coap log */
#include "gateway/coap/blockwise.h"
#include "tests/unit/coap_raw.h"

#define OPTION_ETAG 4
#define OPTION_BLOCK2 23
#define OPTION_BLOCK1 27
#define OPTION_SIZE1 60

static struct raw_builder message;
static uint8_t pattern[BODY_MAX];

static void start(void)
{
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i * 7 + i / 256);
    start_raw();
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 4), "");
    south.answer.content_format = -1;
}

static uint32_t block(uint32_t number, bool more, uint8_t szx)
{
    return number << 4 | (more ? 8U : 0U) | szx;
}

/* One piece of a PUT. */
static uint8_t put_piece(const char *path, uint32_t number, bool more, uint8_t szx, size_t length)
{
    size_t size = (size_t)1 << (szx + 4);
    raw_begin(&message, RAW_NON, DOTS_PUT, "up");
    raw_path(&message, path);
    raw_number(&message, 12, DOTS_CONTENT_FORMAT);
    raw_number(&message, OPTION_BLOCK1, block(number, more, szx));
    raw_payload(&message, pattern + number * size % BODY_MAX, length);
    raw_exchange(&message);
    return raw_code();
}

static void test_rfc7959_2_3_body_in_pieces(void **state)
{
    (void)state;
    start();
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(put_piece("mid=1", i, true, 6, 1024), DOTS_CODE(2, 31));
        assert_int_equal(raw_find_number(OPTION_BLOCK1), block(i, true, 6));
        assert_int_equal(south.requests, 0);
    }
    assert_int_equal(put_piece("mid=1", 7, false, 6, 100), DOTS_CODE(2, 4));
    assert_int_equal(raw_find_number(OPTION_BLOCK1), block(7, false, 6));
    assert_int_equal(south.requests, 1);
    assert_int_equal(south.request.body_length, 7 * 1024 + 100);
    assert_memory_equal(south.request.body, pattern, south.request.body_length);
    /* it is gone then */
    assert_int_equal(put_piece("mid=1", 7, false, 6, 100), DOTS_CODE(4, 8));
}

static void test_body_of_one_piece(void **state)
{
    (void)state;
    start();
    assert_int_equal(put_piece("mid=1", 0, false, 6, 17), DOTS_CODE(2, 4));
    assert_int_equal(south.request.body_length, 17);
}

static void test_repeated_piece(void **state)
{
    (void)state;
    start();
    assert_int_equal(put_piece("mid=1", 0, true, 2, 64), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=1", 1, true, 2, 64), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=1", 1, true, 2, 64), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=1", 2, false, 2, 1), DOTS_CODE(2, 4));
    assert_int_equal(south.request.body_length, 129);
    assert_memory_equal(south.request.body, pattern, 129);
}

static void test_rfc7959_2_9_2_missing_piece(void **state)
{
    (void)state;
    start();
    assert_int_equal(put_piece("mid=1", 1, true, 6, 1024), DOTS_CODE(4, 8)); /* the first is missing */
    assert_int_equal(put_piece("mid=1", 0, true, 6, 1024), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=1", 2, false, 6, 10), DOTS_CODE(4, 8)); /* a gap */
    assert_int_equal(put_piece("mid=1", 1, false, 6, 10), DOTS_CODE(2, 4)); /* which can still be filled */
    assert_int_equal(south.request.body_length, 1034);
}

static void test_rfc7959_2_9_3_body_too_large(void **state)
{
    (void)state;
    start();
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(put_piece("mid=1", i, true, 6, 1024), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=1", 8, false, 6, 1), DOTS_CODE(4, 13));
    assert_int_equal(raw_find_number(OPTION_SIZE1), 8192);
    assert_int_equal(south.requests, 0);
    assert_int_equal(put_piece("mid=1", 8, false, 6, 1), DOTS_CODE(4, 8)); /* it was dropped */
    assert_int_equal(put_piece("mid=1", 0xfffff, true, 6, 1024), DOTS_CODE(4, 8));
}

static void test_pieces_of_wrong_size(void **state)
{
    (void)state;
    start();
    assert_int_equal(put_piece("mid=1", 0, true, 6, 1000), DOTS_CODE(4, 0));
    assert_int_equal(put_piece("mid=1", 0, false, 2, 65), DOTS_CODE(4, 0));
    assert_int_equal(put_piece("mid=1", 0, true, 7, 1024), DOTS_CODE(4, 0)); /* BERT is for TCP */
    assert_int_equal(south.requests, 0);
}

static void test_two_paths_interleaved(void **state)
{
    (void)state;
    start();
    assert_int_equal(put_piece("mid=1", 0, true, 2, 64), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=2", 0, true, 2, 64), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=1", 1, true, 2, 64), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=2", 1, false, 2, 5), DOTS_CODE(2, 4));
    assert_int_equal(south.request.body_length, 69);
    assert_string_equal(south.request.path, "mid=2");
    assert_int_equal(put_piece("mid=1", 2, false, 2, 7), DOTS_CODE(2, 4));
    assert_int_equal(south.request.body_length, 135);
    assert_string_equal(south.request.path, "mid=1");
    assert_memory_equal(south.request.body, pattern, 135);
}

/* Two transfers a session: a third takes the place of the one that stood still for longest. */
static void test_transfers_are_bounded(void **state)
{
    (void)state;
    start();
    assert_int_equal(put_piece("mid=1", 0, true, 2, 64), DOTS_CODE(2, 31));
    uint64_t before = uv_now(&loop);
    while (uv_now(&loop) <= before + 1)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(put_piece("mid=2", 0, true, 2, 64), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=3", 0, true, 2, 64), DOTS_CODE(2, 31));
    assert_int_equal(put_piece("mid=1", 1, false, 2, 1), DOTS_CODE(4, 8));
    assert_int_equal(put_piece("mid=2", 1, false, 2, 1), DOTS_CODE(2, 4));
    assert_int_equal(put_piece("mid=3", 1, false, 2, 1), DOTS_CODE(2, 4));
}

/* The answer of a held request echoes Block1, too. */
static void test_held_answer_to_pieces(void **state)
{
    (void)state;
    start();
    south.on_request = answer_later;
    assert_int_equal(put_piece("mid=1", 0, true, 2, 64), DOTS_CODE(2, 31));
    raw_begin(&message, RAW_NON, DOTS_PUT, "up");
    raw_path(&message, "mid=1");
    raw_number(&message, OPTION_BLOCK1, block(1, false, 2));
    raw_payload(&message, pattern, 3);
    raw_send(&message);
    run_until(south_asked);
    raw_expected = raw.received + 1;
    struct dots_response answer = text_response(DOTS_CODE(2, 1), "x");
    assert_int_equal(dots_reply(south.held[0], &answer), 0);
    run_until(raw_has_received);
    assert_int_equal(raw_find_number(OPTION_BLOCK1), block(1, false, 2));
}

/* RFC 8323 section 6: over TCP one message may carry several blocks of 1024 bytes. */
static void test_rfc8323_6_bert(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i * 7 + i / 256);
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    raw_open(DOTS_TCP, listen_on(south.endpoint, "127.0.0.1", DOTS_TCP));
    raw_use_certificate(&pki_client);
    raw_start();
    run_until(raw_has_csm);
    raw_begin(&message, RAW_CON, DOTS_CODE(7, 1), ""); /* CSM */
    raw_send(&message);
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 4), "");
    raw_begin(&message, RAW_CON, DOTS_PUT, "up");
    raw_path(&message, "mid=1");
    raw_number(&message, OPTION_BLOCK1, block(0, true, 7));
    raw_payload(&message, pattern, 3 * 1024);
    raw_exchange(&message);
    assert_int_equal(raw_code(), DOTS_CODE(2, 31));
    assert_int_equal(raw_find_number(OPTION_BLOCK1), block(0, true, 7));
    raw_begin(&message, RAW_CON, DOTS_PUT, "up");
    raw_path(&message, "mid=1");
    raw_number(&message, OPTION_BLOCK1, block(3, false, 7));
    raw_payload(&message, pattern + 3 * 1024, 1500);
    raw_exchange(&message);
    assert_int_equal(raw_code(), DOTS_CODE(2, 4));
    assert_int_equal(south.request.body_length, 3 * 1024 + 1500);
    assert_memory_equal(south.request.body, pattern, south.request.body_length);
}

/* ---- Block2 of a server ---- */

static void get_block(const char *path, int64_t asked)
{
    raw_begin(&message, RAW_NON, DOTS_GET, "dn");
    raw_path(&message, path);
    if (asked >= 0)
        raw_number(&message, OPTION_BLOCK2, (uint32_t)asked);
    raw_exchange(&message);
}

static size_t append_payload(uint8_t *body, size_t length)
{
    size_t size;
    const uint8_t *payload = raw_find(0xffff, &size);
    assert_non_null(payload);
    memcpy(body + length, payload, size);
    return length + size;
}

static void answer_with_pattern(size_t length)
{
    south.answer = text_response(DOTS_CODE(2, 5), "");
    south.answer.body = pattern;
    south.answer.body_length = length;
    south.answer.max_age = 30;
}

static void check_download(int64_t first, uint8_t szx, size_t total)
{
    uint8_t body[BODY_MAX], etag[8];
    size_t length = 0, size = (size_t)1 << (szx + 4), etag_length;
    answer_with_pattern(total);
    south.answer.observe = 3;
    get_block("c", first);
    for (uint32_t i = 0;; i++) {
        assert_int_equal(raw_code(), DOTS_CODE(2, 5));
        assert_true(raw.last.length <= 1280 - 48); /* RFC 9132 section 7.3 */
        length = append_payload(body, length);
        bool more = length < total;
        assert_int_equal(raw_find_number(OPTION_BLOCK2), block(i, more, szx));
        assert_int_equal(raw_find_number(6), i == 0 ? 3 : -1); /* section 2.6 */
        assert_int_equal(raw_find_number(12), DOTS_CONTENT_FORMAT);
        assert_int_equal(raw_find_number(14), 30);
        const uint8_t *tag = raw_find(OPTION_ETAG, &etag_length);
        assert_true(tag != NULL && etag_length == 8);
        if (i == 0)
            memcpy(etag, tag, 8);
        assert_memory_equal(etag, tag, 8);
        if (!more)
            break;
        assert_int_equal(length, (i + 1) * size);
        pattern[0]++; /* what changes meanwhile does not matter */
        get_block("c", block(i + 1, false, szx));
    }
    pattern[0] = 0;
    assert_int_equal(length, total);
    assert_memory_equal(body, pattern, total);
    assert_int_equal(south.requests, 1);
}

static void test_rfc7959_2_4_large_answer(void **state)
{
    (void)state;
    start();
    check_download(-1, 6, 5000);
}

static void test_rfc7959_2_4_client_asks_for_smaller_blocks(void **state)
{
    (void)state;
    start();
    check_download(block(0, false, 2), 2, 1000);
}

static void test_small_answer_needs_no_block(void **state)
{
    (void)state;
    start();
    answer_with_pattern(900);
    get_block("c", -1);
    assert_int_equal(raw_find_number(OPTION_BLOCK2), -1);
    assert_int_equal(raw_find_number(OPTION_ETAG), -1);
}

static void test_block_without_a_snapshot_is_made_again(void **state)
{
    (void)state;
    start();
    answer_with_pattern(3000);
    get_block("c", block(2, false, 6));
    assert_int_equal(south.requests, 1);
    assert_int_equal(raw_find_number(OPTION_BLOCK2), block(2, false, 6));
    size_t length;
    const uint8_t *payload = raw_find(0xffff, &length);
    assert_int_equal(length, 952);
    assert_memory_equal(payload, pattern + 2048, 952);
    get_block("c", block(9, false, 6));
    assert_int_equal(raw_code(), DOTS_CODE(4, 0)); /* beyond the end */
    get_block("other", block(0xfffff, false, 6));
    assert_int_equal(raw_code(), DOTS_CODE(4, 0));
}

static void test_snapshots_are_bounded(void **state)
{
    (void)state;
    start();
    answer_with_pattern(3000);
    static const char *const paths[] = {"1", "2", "3", "4", "5"};
    for (size_t i = 0; i < 5; i++) {
        get_block(paths[i], -1);
        uint64_t before = uv_now(&loop);
        while (uv_now(&loop) <= before + 1)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(south.requests, 5);
    get_block("5", block(1, false, 6));
    get_block("2", block(1, false, 6));
    assert_int_equal(south.requests, 5);
    get_block("1", block(1, false, 6));
    assert_int_equal(south.requests, 6);
}

/* An error with a body too large for a datagram: RFC 7959 section 2.4 lets the PUT be repeated for the rest. */
static void test_large_answer_to_a_put(void **state)
{
    (void)state;
    start();
    answer_with_pattern(1500);
    south.answer.code = DOTS_CODE(4, 9);
    raw_begin(&message, RAW_CON, DOTS_PUT, "up");
    raw_path(&message, "mid=1");
    raw_payload(&message, "x", 1);
    raw_exchange(&message);
    assert_int_equal(raw_code(), DOTS_CODE(4, 9));
    assert_int_equal(raw_find_number(OPTION_BLOCK2), block(0, true, 6));
    raw_begin(&message, RAW_CON, DOTS_PUT, "up");
    raw_path(&message, "mid=1");
    raw_number(&message, OPTION_BLOCK2, block(1, false, 6));
    raw_exchange(&message);
    assert_int_equal(raw_code(), DOTS_CODE(4, 9));
    assert_int_equal(raw_find_number(OPTION_BLOCK2), block(1, false, 6));
    assert_int_equal(south.requests, 1);
    raw_begin(&message, RAW_CON, DOTS_PUT, "up");
    raw_path(&message, "mid=2");
    raw_number(&message, OPTION_BLOCK2, block(1, false, 6));
    raw_exchange(&message);
    assert_int_equal(raw_code(), DOTS_CODE(4, 8)); /* a body is not made again by a PUT without one */
    assert_int_equal(south.requests, 1);
}

/* ---- Block2 of a client ---- */

static void fetch(size_t length)
{
    struct dots_request get = make_request(DOTS_GET, NULL, NULL);
    struct dots_token token;
    get.confirmable = false;
    get.query_count = 1;
    get.query[0] = (struct dots_option){"c=a", 3};
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i * 7 + i / 256);
    south.on_request = answer_now;
    answer_with_pattern(length);
    dots_token_new(&token);
    assert_int_equal(dots_send(client, &token, &get), 0);
    run_until(north_answered);
    assert_int_equal(north.response.code, DOTS_CODE(2, 5));
    assert_int_equal(north.response.body_length, length);
    assert_memory_equal(north.response.body, pattern, length);
    assert_memory_equal(north.response.token.bytes, token.bytes, 8);
    assert_int_equal(north.response.max_age, 30);
    assert_int_equal(north.response.content_format, DOTS_CONTENT_FORMAT);
    assert_int_equal(south.requests, 1);
    assert_int_equal(north.responses, 1);
}

static void test_client_fetches_blocks(enum dots_transport transport)
{
    start_pair(transport, false, "127.0.0.1");
    fetch(10000);
}
BOTH_TRANSPORTS(test_client_fetches_blocks)

static void change_body(struct side *side, const struct dots_request *request)
{
    if (request->block2.number > 0 || side->requests > 1)
        pattern[0] = 99;
    dots_reply(request->exchange, &side->answer);
}

/* The server lost its copy, and the body changed: the client starts again, and gets one body, not a mixture. */
static void test_body_changes_midway(void **state)
{
    (void)state;
    start_pair(DOTS_UDP, false, "127.0.0.1");
    static uint8_t other[3000];
    struct dots_request get = make_request(DOTS_GET, NULL, NULL);
    struct dots_request same = get;
    struct dots_token token;
    get.confirmable = false;
    south.on_request = change_body;
    memset(pattern, 1, sizeof pattern);
    answer_with_pattern(3000);
    dots_token_new(&token);
    assert_int_equal(dots_send(client, &token, &get), 0);
    run_until(south_asked);
    /* a second body under the same path takes the place of the first */
    memset(other, 2, sizeof other);
    struct dots_response news = text_response(DOTS_CODE(2, 5), "");
    news.body = other;
    news.body_length = sizeof other;
    news.observe = 2;
    south.answer = news;
    south.answer.observe = -1;
    struct dots_token unknown;
    dots_token_new(&unknown);
    assert_int_equal(dots_notify(south.up[0], &unknown, &same, &news), 0);
    run_until(north_answered);
    assert_int_equal(north.response.body_length, 3000);
    for (size_t i = 0; i < 3000; i++)
        assert_int_equal(north.response.body[i], 2);
}

#define with_raw(name) cmocka_unit_test_setup_teardown(name, begin, end_raw)

/* A path and, behind it, queries: which of the words are which must show. */
static void key_of(uint8_t key[REQUEST_KEY_SIZE], const char *const *words, size_t count, size_t path_count)
{
    struct dots_request request = {.path_count = path_count, .query_count = count - path_count};
    for (size_t i = 0; i < count; i++)
        *(i < path_count ? &request.path[i] : &request.query[i - path_count]) =
            (struct dots_option){.at = (const void *)words[i], .length = strlen(words[i])};
    blockwise_key(key, DOTS_GET, &request);
}

static void test_no_two_requests_have_the_same_key(void **state)
{
    (void)state;
    static const char *const few[] = {"a", "b", "c"}, *const joined[] = {"ab", "c"},
                             *const empty[] = {"a", "b", "c", ""};
    char word[201];
    const char *const many[] = {word, "b", "c"};
    uint8_t keys[8][REQUEST_KEY_SIZE];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    key_of(keys[0], few, 3, 3);
    key_of(keys[1], few, 3, 2);
    key_of(keys[2], few, 3, 1);
    key_of(keys[3], joined, 2, 2);
    key_of(keys[4], empty, 4, 4);
    key_of(keys[5], many, 3, 3); /* too long to be kept as it is */
    key_of(keys[6], many, 3, 2);
    key_of(keys[7], many, 3, 1);
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(keys[i], keys[j], REQUEST_KEY_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_two_requests_have_the_same_key),
        with_raw(test_rfc7959_2_3_body_in_pieces),
        with_raw(test_body_of_one_piece),
        with_raw(test_repeated_piece),
        with_raw(test_rfc7959_2_9_2_missing_piece),
        with_raw(test_rfc7959_2_9_3_body_too_large),
        with_raw(test_pieces_of_wrong_size),
        with_raw(test_two_paths_interleaved),
        with_raw(test_transfers_are_bounded),
        with_raw(test_held_answer_to_pieces),
        with_raw(test_rfc8323_6_bert),
        with_raw(test_rfc7959_2_4_large_answer),
        with_raw(test_rfc7959_2_4_client_asks_for_smaller_blocks),
        with_raw(test_small_answer_needs_no_block),
        with_raw(test_block_without_a_snapshot_is_made_again),
        with_raw(test_snapshots_are_bounded),
        with_raw(test_large_answer_to_a_put),
        with_both(test_client_fetches_blocks),
        with_pair(test_body_changes_midway),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
