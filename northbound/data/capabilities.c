/* capabilities: what all upstreams can filter (RFC 8783 section 7.1): a client may ask for what all of them do. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/json_memory.h"
#include "northbound/data/canonical.h"
#include "northbound/data/capabilities.h"
#include "northbound/data/data_state.h"

#define DEPTH_MAX 8u
#define PATH PATH_DATA PATH_DOTS "/capabilities"

static json_t *common(const json_t *a, const json_t *b, unsigned depth);

static json_t *common_members(const json_t *a, const json_t *b, unsigned depth)
{
    json_t *out = json_object(), *value, *made;
    const char *key;

    json_object_foreach((json_t *)a, key, value)
    {
        const json_t *other = json_object_get(b, key);

        made = other ? common(value, other, depth + 1) : NULL;
        if (made)
            json_object_set_new(out, key, made);
    }
    return out;
}

static json_t *common_elements(const json_t *a, const json_t *b)
{
    json_t *out = json_array();

    for (size_t i = 0; i < json_array_size(a); i++)
        for (size_t j = 0; j < json_array_size(b); j++)
            if (json_equal(json_array_get(a, i), json_array_get(b, j))) {
                json_array_append(out, json_array_get(a, i));
                break;
            }
    return out;
}

/* NULL: nothing in common. */
static json_t *common(const json_t *a, const json_t *b, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return NULL;
    if (json_is_object(a) && json_is_object(b))
        return common_members(a, b, depth);
    if (json_is_array(a) && json_is_array(b))
        return common_elements(a, b);
    if (json_is_boolean(a) && json_is_boolean(b))
        return json_boolean(json_is_true(a) && json_is_true(b));
    return json_equal((json_t *)a, (json_t *)b) ? json_incref((json_t *)a) : NULL;
}

json_t *capabilities_common(const json_t *a, const json_t *b)
{
    return common(a, b, 0);
}

json_t *capabilities_read(const char *body, size_t length)
{
    json_t *root = json_loadb(body, length, 0, NULL);
    const json_t *found = canonical_member(root, "capabilities");
    json_t *out = json_is_object(found) ? json_incref((json_t *)found) : NULL;

    json_decref(root);
    return out;
}

static void told(void *arg, const struct transfer_response *response)
{
    struct data_upstream *upstream = arg;
    json_t *read = NULL;

    upstream->capabilities_call = NULL;
    wire_json_memory_watch();
    if (response->status == 200)
        read = capabilities_read(response->body, response->length);
    if (!read || wire_json_memory_failed()) {
        log_info("data-capabilities", "%s does not tell its capabilities", upstream->config->name);
        json_decref(read);
        return;
    }
    json_decref(upstream->capabilities);
    upstream->capabilities = read;
}

void capabilities_ask(struct data_upstream *upstream)
{
    const struct restconf_request request = {
        .method = "GET", .path = PATH, .answer_max = DATA_ANSWER_MAX, .timeout_ms = DATA_TIMEOUT_MS};

    if (!upstream->capabilities_call)
        upstream->capabilities_call = restconf_call(upstream->restconf, &request, told, upstream);
}

const char *capabilities_all(void *arg)
{
    struct northbound_data *data = arg;
    json_t *all = NULL, *next;

    wire_json_memory_watch();
    for (size_t i = 0; i < data->upstream_count; i++) {
        if (!data->upstreams[i].capabilities)
            continue;
        next = all ? capabilities_common(all, data->upstreams[i].capabilities)
                   : json_incref(data->upstreams[i].capabilities);
        json_decref(all);
        all = next;
    }
    free(data->capabilities);
    data->capabilities = all ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    if (wire_json_memory_failed()) {
        free(data->capabilities);
        data->capabilities = NULL;
    }
    return data->capabilities;
}
