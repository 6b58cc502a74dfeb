/*
 * data_channel: a request of the data channel up to what is done with it: path, query, body. The first line of the
 * input is "METHOD PATH?QUERY", the rest is the body. What comes out valid must be valid again when it is sent as it
 * came out.
 */
/* links: southbound_data yang aggregation wire */

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "southbound/data/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct yang *yang;

static const char base[] =
    "{\"cuid\":\"x\",\"acls\":{\"acl\":[{\"name\":\"a\",\"type\":\"ietf-access-control-list:ipv4-acl-type\",\"aces\":{"
    "\"ace\":[{\"name\":\"r\",\"matches\":{\"ipv4\":{\"source-ipv4-network\":\"192.0.2.0/24\"}},\"actions\":{"
    "\"forwarding\":\"ietf-access-control-list:drop\"}}]}}]},\"aliases\":{\"alias\":[{\"name\":\"a\",\"target-prefix\":["
    "\"192.0.2.0/24\"]}]}}";

static void edit_again(const struct data_item *item)
{
    struct data_item again;
    struct data_fault fault;
    json_t *value = json_loadb(item->json, item->json_length, 0, NULL);

    assert(value);
    if (data_item_take(item->kind, value, &again, &fault) != 0)
        abort();
    assert(strcmp(item->json, again.json) == 0);
    data_item_free(&again);
    json_decref(value);
}

static void edit(enum data_method method, const struct data_target *target, const struct data_query *query,
                 const char *body, size_t length)
{
    struct data_edit edit = {.yang = yang,
                             .method = method,
                             .target = target,
                             .query = query,
                             .body = body,
                             .body_length = length,
                             .base = target->level >= DATA_LEVEL_ENTRY || method == DATA_PATCH ? strdup(base) : NULL};

    data_edit_run(&edit);
    if (edit.fault.status != 0) {
        char *text = data_fault_body(&edit.fault);

        assert(edit.fault.status >= 400 && edit.fault.tag && text);
        free(text);
    } else {
        for (size_t i = 0; i < edit.item_count; i++)
            edit_again(&edit.items[i]);
    }
    data_edit_free(&edit);
}

static void request(char *line, const char *body, size_t length)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    static struct data_path path;
    static struct data_query query;
    char *at = strchr(line, ' '), *mark;
    struct data_target target;
    struct data_fault fault;
    enum data_method method = DATA_GET;

    if (!at)
        return;
    *at++ = '\0';
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i], line) == 0)
            method = (enum data_method)i;
    }
    mark = strchr(at, '?');
    if (mark)
        *mark++ = '\0';
    if (data_path_parse(at, &path, &fault) != 0 || data_query_parse(mark, &query, &fault) != 0) {
        assert(fault.status >= 400);
        return;
    }
    if (path.root != DATA_ROOT_DATASTORE || data_target_find(yang, &path, &target, &fault) != 0)
        return;
    if (method == DATA_GET || target.of_client || target.level == DATA_LEVEL_STATE ||
        target.level == DATA_LEVEL_STORE || (target.level == DATA_LEVEL_INSIDE && !target.node.config) ||
        (method == DATA_DELETE && target.level != DATA_LEVEL_INSIDE))
        return;
    edit(method, &target, &query, body, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end ? (size_t)(end - data) : size;
    char error[256], *line;

    if (!yang)
        yang = yang_open(error, sizeof(error));
    line = malloc(length + 1);
    assert(yang && line);
    memcpy(line, data, length);
    line[length] = '\0';
    request(line, end ? (const char *)end + 1 : "", end ? size - length - 1 : 0);
    free(line);
    return 0;
}
