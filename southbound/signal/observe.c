/*
 * observe: who observes what (RFC 7641 section 4.1). A session has at most one observer for one
 * resource and query: registering again, under whatever token, takes the place of the older one.
 */

#include <stdlib.h>
#include <string.h>

#include "southbound/signal/signal.h"

/* ---- Watches: a resource with at least one observer ---- */

struct south_watch *south_watch_find(struct southbound *southbound, const void *owner, uint64_t what)
{
    struct south_watch_key key;
    struct south_watch *watch;

    memset(&key, 0, sizeof(key));
    key.owner = owner;
    key.what = what;
    HASH_FIND(hh, southbound->watches, &key, sizeof(key), watch);
    return watch;
}

static struct south_watch *watch_get(struct southbound *southbound, const void *owner, uint64_t what)
{
    struct south_watch *watch = south_watch_find(southbound, owner, what);

    if (watch)
        return watch;
    watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    watch->key.owner = owner;
    watch->key.what = what;
    HASH_ADD(hh, southbound->watches, key, sizeof(watch->key), watch);
    if (!watch->hh.tbl) {
        free(watch);
        return NULL;
    }
    if (what != SOUTH_WATCH_CONFIG) {
        watch->requester = (struct south_requester *)owner;
        DL_APPEND(watch->requester->watches, watch);
    }
    return watch;
}

static void watch_release(struct southbound *southbound, struct south_watch *watch)
{
    if (watch->observers)
        return;
    if (watch->requester)
        DL_DELETE(watch->requester->watches, watch);
    HASH_DEL(southbound->watches, watch);
    free(watch);
}

void south_observer_detach(struct south_observer *observer)
{
    struct south_watch *watch = observer->watch;

    if (!watch)
        return;
    observer->watch = NULL;
    DL_DELETE2(watch->observers, observer, watch_prev, watch_next);
    watch_release(observer->session->southbound, watch);
}

void south_watches_end(struct southbound *southbound, struct south_requester *requester)
{
    struct south_watch *watch, *next;

    DL_FOREACH_SAFE(requester->watches, watch, next)
    south_notify_gone(southbound, watch, NULL);
}

/* ---- Observers ---- */

static void key_of(struct south_token_key *key, const struct south_session *session, const struct dots_token *token)
{
    memset(key, 0, sizeof(*key));
    key->session = session;
    key->token.length = token->length;
    memcpy(key->token.bytes, token->bytes, token->length);
}

static struct south_observer *find_token(const struct south_session *session, const struct dots_token *token)
{
    struct south_token_key key;
    struct south_observer *observer;

    key_of(&key, session, token);
    HASH_FIND(hh, session->southbound->tokens, &key, sizeof(key), observer);
    return observer;
}

void south_observer_free(struct south_observer *observer)
{
    struct south_session *session = observer->session;
    struct southbound *southbound = session->southbound;

    south_timer_cancel(southbound, &observer->timer);
    south_notify_unqueue(observer);
    south_observer_detach(observer);
    DL_DELETE(session->observers, observer);
    session->observer_count--;
    HASH_DEL(southbound->tokens, observer);
    free(observer->last);
    free(observer);
}

void south_observe_end(struct south_session *session, const struct dots_token *token)
{
    struct south_observer *observer = find_token(session, token);

    if (observer)
        south_observer_free(observer);
}

/* The options as they came, so that blocks after the first one can be asked for by them. */
static void copy_options(struct south_observer *observer, const struct dots_request *request)
{
    char *to = observer->bytes;
    size_t n = 0;

    observer->path_count = (uint8_t)request->path_count;
    observer->query_count = (uint8_t)request->query_count;
    for (size_t i = 0; i < request->path_count; i++, n++) {
        observer->lengths[n] = (uint16_t)request->path[i].length;
        memcpy(to, request->path[i].at, request->path[i].length);
        to += request->path[i].length;
    }
    for (size_t i = 0; i < request->query_count; i++, n++) {
        observer->lengths[n] = (uint16_t)request->query[i].length;
        memcpy(to, request->query[i].at, request->query[i].length);
        to += request->query[i].length;
    }
}

static size_t options_size(const struct dots_request *request)
{
    size_t size = 0;

    for (size_t i = 0; i < request->path_count; i++)
        size += request->path[i].length;
    for (size_t i = 0; i < request->query_count; i++)
        size += request->query[i].length;
    return size;
}

static struct south_observer *observer_new(struct south_session *session, const struct dots_request *request)
{
    struct southbound *southbound = session->southbound;
    struct south_observer *observer = calloc(1, sizeof(*observer) + options_size(request));

    if (!observer)
        return NULL;
    key_of(&observer->key, session, dots_exchange_token(request->exchange));
    HASH_ADD(hh, southbound->tokens, key, sizeof(observer->key), observer);
    if (!observer->hh.tbl) {
        free(observer);
        return NULL;
    }
    copy_options(observer, request);
    observer->session = session;
    observer->timer.kind = SOUTH_TIMER_OBSERVER;
    observer->sequence = south_notify_first(southbound);
    DL_APPEND(session->observers, observer);
    session->observer_count++;
    return observer;
}

static bool same_resource(const struct south_observer *observer, const struct south_path *path)
{
    return observer->content == path->content && observer->has_sid == path->has_sid && observer->sid == path->sid;
}

static struct south_observer *find_resource(const struct south_session *session, const struct south_watch *watch,
                                            const struct south_path *path)
{
    struct south_observer *observer;

    DL_FOREACH2(watch->observers, observer, watch_next)
    {
        if (observer->session == session && same_resource(observer, path))
            return observer;
    }
    return NULL;
}

static bool room(const struct south_session *session)
{
    return session->observer_count < 2 * (size_t)session->client->limits.mitigations + SOUTH_OBSERVERS_EXTRA;
}

struct south_observer *south_observe(struct south_session *session, const struct dots_request *request,
                                     const struct south_path *path, const void *owner, uint64_t what)
{
    struct southbound *southbound = session->southbound;
    struct south_observer *known = find_token(session, dots_exchange_token(request->exchange)), *observer;
    struct south_watch *watch = south_watch_find(southbound, owner, what);

    if (known && known->watch && known->watch == watch && same_resource(known, path))
        return known;
    if (known)
        south_observer_free(known);
    watch = south_watch_find(southbound, owner, what); /* it may have gone with its last observer */
    known = watch ? find_resource(session, watch, path) : NULL;
    if (!known && !room(session))
        return NULL;
    observer = observer_new(session, request);
    if (!observer)
        return NULL;
    if (known)
        south_observer_free(known);
    observer->content = path->content;
    observer->has_sid = path->has_sid;
    observer->sid = path->sid;
    watch = watch_get(southbound, owner, what);
    if (!watch) {
        south_observer_free(observer);
        return NULL;
    }
    observer->watch = watch;
    DL_APPEND2(watch->observers, observer, watch_prev, watch_next);
    return observer;
}
