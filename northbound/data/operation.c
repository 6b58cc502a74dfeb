/* operation: a request that is as good as done when what it wants is so already; registers what is not. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/json_memory.h"
#include "northbound/data/data_state.h"

static int send_own(struct operation *operation);

static void operation_free(struct operation *operation)
{
    free(operation->path);
    free(operation->body);
    free(operation->answer);
    free(operation);
}

static void end(struct operation *operation, const struct transfer_response *response)
{
    operation->call = NULL;
    operation->done(operation, response);
    operation_free(operation);
}

static void end_with(struct operation *operation, int status)
{
    const struct transfer_response response = {.status = status, .body = "", .failure = "out of memory"};

    end(operation, &response);
}

/* The answer that was set aside. */
static void end_with_first(struct operation *operation)
{
    const struct transfer_response response = {.status = operation->status,
                                               .body = operation->answer ? operation->answer : "",
                                               .length = operation->answer_length,
                                               .retry_after = operation->retry_after};

    end(operation, &response);
}

static void set_aside(struct operation *operation, const struct transfer_response *response)
{
    free(operation->answer);
    operation->status = response->status;
    operation->retry_after = response->retry_after;
    operation->answer_length = 0;
    operation->answer = malloc(response->length + 1);
    if (operation->answer) {
        memcpy(operation->answer, response->body, response->length + 1);
        operation->answer_length = response->length;
    }
}

static int send_request(struct operation *operation, const char *method, const char *path, const char *body,
                        transfer_h *done)
{
    const struct restconf_request request = {.method = method,
                                             .path = path,
                                             .via = operation->via,
                                             .cause = operation->cause,
                                             .body = body,
                                             .body_length = body ? strlen(body) : 0,
                                             .answer_max = DATA_ANSWER_MAX,
                                             .timeout_ms = DATA_TIMEOUT_MS};

    operation->call = restconf_call(operation->account->upstream->restconf, &request, done, operation);
    return operation->call ? 0 : -1;
}

/* ---- Registration ---- */

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

static void looked(void *arg, const struct transfer_response *response)
{
    struct operation *operation = arg;
    struct account *account = operation->account;

    operation->call = NULL;
    if (response->status == 0) {
        end(operation, response);
        return;
    }
    if (!is_success(response->status)) { /* somebody else has this cuid there */
        end_with_first(operation);
        return;
    }
    account_seen(account, operation->generation, true);
    account_dirty(account, DATA_SOON_MS); /* what is there is left over from before */
    end_with(operation, 200);
}

/* A conflict may be with what was left over from this very account. */
static void look(struct operation *operation)
{
    char *path = path_client(operation->account->cuid, "?depth=1");

    if (!path || send_request(operation, "GET", path, NULL, looked) != 0)
        end_with(operation, 0);
    free(path);
}

static void registered(void *arg, const struct transfer_response *response)
{
    struct operation *operation = arg;
    struct account *account = operation->account;

    operation->call = NULL;
    if (response->status == 0) {
        end(operation, response);
    } else if (operation->kind == OPERATION_REGISTER) {
        account_seen(account, operation->generation, is_success(response->status));
        if (response->status == 409) {
            set_aside(operation, response);
            look(operation);
        } else {
            end(operation, response);
        }
    } else if (is_success(response->status)) { /* it was not: what was there before is not, either */
        account_seen(account, operation->generation, true);
        account_dirty(account, DATA_SOON_MS);
        if (send_own(operation) != 0)
            end_with(operation, 0);
    } else {
        if (operation->generation == account->generation)
            account->registered = response->status == 409;
        end_with_first(operation);
    }
}

static int send_registration(struct operation *operation)
{
    static const char path[] = PATH_DATA PATH_DOTS;
    const struct account *account = operation->account;
    json_t *client, *root;
    char *body = NULL;
    int result = -1;

    wire_json_memory_watch();
    client = json_pack("{s:s}", "cuid", account->cuid);
    if (client && account->cdid[0])
        json_object_set_new(client, "cdid", json_string(account->cdid));
    root = json_pack("{s:[o]}", "ietf-dots-data-channel:dots-client", client);
    if (root)
        body = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (body && !wire_json_memory_failed())
        result = send_request(operation, "POST", path, body, registered);
    free(body);
    return result;
}

/* ---- Entries ---- */

/* RFC 8783 sections 6.1 and 7.2: 403 says that a cdid is expected and the client must register; others say 404, or 409
 * with data-missing. What was sent before its presence was known may have come too early. */
static bool may_lack_registration(const struct operation *operation, int status)
{
    return operation->kind == OPERATION_PUT && !operation->was_registered && !operation->registering &&
           (status == 403 || status == 404 || status == 409);
}

/* Its answer may be that of the former cuid, which is another's: what it wants is under the new one. All that are made
 * have the same length, and no letter of them is escaped. */
static void follow(struct operation *operation)
{
    const struct account *account = operation->account;
    const size_t start = sizeof(PATH_DATA PATH_DOTS "/dots-client=") - 1, length = DATA_CUID - 1;
    char before[DATA_CUID];

    if (operation->generation == account->generation || strlen(account->cuid) != length)
        return;
    snprintf(before, sizeof(before), "%s", operation->path + start);
    for (char *at = operation->path; (at = strstr(at, before)) != NULL; at += length)
        memcpy(at, account->cuid, length);
    operation->generation = account->generation;
}

static void answered(void *arg, const struct transfer_response *response)
{
    struct operation *operation = arg;
    static const struct transfer_response gone = {.status = 204, .body = ""};

    operation->call = NULL;
    if (may_lack_registration(operation, response->status)) {
        operation->registering = true;
        set_aside(operation, response);
        follow(operation);
        if ((operation->account->registered ? send_own(operation) : send_registration(operation)) != 0)
            end_with(operation, 0);
        return;
    }
    if (operation->kind == OPERATION_PUT && is_success(response->status))
        account_seen(operation->account, operation->generation, true);
    if (operation->kind == OPERATION_UNREGISTER && (is_success(response->status) || response->status == 404))
        account_left(operation->account, operation->generation);
    if (operation->kind != OPERATION_PUT && response->status == 404)
        end(operation, &gone); /* which is what was wanted */
    else
        end(operation, response);
}

static int send_own(struct operation *operation)
{
    return send_request(operation, operation->kind == OPERATION_PUT ? "PUT" : "DELETE", operation->path,
                        operation->body, answered);
}

struct operation *operation_start(struct account *account, enum operation_kind kind, char *path, char *body,
                                  const char *via, uint64_t cause,
                                  void (*done)(struct operation *operation, const struct transfer_response *response),
                                  void *arg, size_t index)
{
    struct operation *operation = calloc(1, sizeof(*operation));

    if (!operation) {
        free(path);
        free(body);
        return NULL;
    }
    *operation = (struct operation){.account = account,
                                    .kind = kind,
                                    .generation = account->generation,
                                    .path = path,
                                    .body = body,
                                    .via = via,
                                    .cause = cause,
                                    .done = done,
                                    .arg = arg,
                                    .index = index};
    if ((kind != OPERATION_REGISTER && !path) || (kind == OPERATION_PUT && !body) ||
        (kind == OPERATION_REGISTER ? send_registration(operation) : send_own(operation)) != 0) {
        operation_free(operation);
        return NULL;
    }
    return operation;
}

void operation_cancel(struct operation *operation)
{
    if (operation->call)
        restconf_cancel(operation->call);
    operation_free(operation);
}
