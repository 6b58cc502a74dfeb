/* data: what the files of southbound/data share; nobody else includes it. */
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "aggregation/via.h"
#include "gateway/http/http.h"
#include "gateway/yang/yang.h"
#include "southbound/data/edit.h"
#include "southbound/data/southbound_data.h"
#include "southbound/signal/alias.h"
#include "southbound/signal/client.h"
#include "southbound/signal/refusal.h"

#define DATA_WRITES_MAX 256u /* of one owner that wait for each other */
#define DATA_RETRY_S 10      /* Retry-After while the store cannot write */
#define DATA_JSON "application/yang-data+json"

/* One request with a body or a DELETE, from its arrival to its answer. */
struct data_write {
    struct data_server *server;
    struct http_exchange *exchange;     /* NULL once answered */
    const struct http_request *request; /* as long as the exchange */
    struct south_client *owner;         /* a reference */
    char hash[23];                      /* of the peer's key */
    enum data_method method;
    uint64_t number; /* of the request, for the log */
    struct data_path path;
    struct data_query query;
    struct data_target target;
    struct south_control *control; /* who waits, when it is no request of HTTP */
    struct wire_acl *acls;         /* what it is about, with names of their own */
    size_t acl_count;
    struct data_edit edit;
    uv_work_t work;
    bool working;
    char via[VIA_MAX + 1]; /* all fields of the request; "": none */
    /* the plan */
    char cuid_text[CATALOG_CUID_MAX + 1]; /* of the body, where the path has none */
    const char *cuid;
    const char *cdid; /* "": none */
    uint64_t client;  /* id */
    struct catalog_change *changes;
    size_t change_count, change_room;
    bool clears[CATALOG_KINDS]; /* all that the client has of this kind goes; changes say so for upstreams only */
    struct catalog_write upstream;
    bool asked;
    /* the answer */
    unsigned status;
    char location[1024]; /* "": none; below the datastore */
    uint64_t stamp;
    int64_t modified_ms;
    uint64_t sequence; /* of the store */
    struct data_line *line;
    struct data_write *prev, *next; /* of the line, then of those that wait for the store */
};

/* The writes of one owner, in order; the first one is under way. */
struct data_line {
    struct data_write *writes;
    size_t count;
    UT_hash_handle hh;
    char owner[];
};

struct data_server {
    uv_loop_t *loop;
    const struct config *config;
    struct relay *relay;
    struct store *store;
    struct catalog *catalog;
    const struct catalog_upstream *upstream; /* NULL: none */
    int64_t (*now)(void);
    struct http_server *http; /* NULL: no listener */
    struct yang *yang;
    struct south_clients *owners;
    struct data_line *lines;
    struct data_write *storing;                   /* in order of their sequence */
    void (*changed)(void *arg, const char *cuid); /* NULL: nobody listens */
    void *changed_arg;
    struct south_refusals refusals;
    struct data_counters counters;
    uint8_t *record;   /* scratch, STORE_VALUE_MAX */
    uv_timer_t timer;  /* the next entry that expires */
    uv_timer_t reaper; /* while there is what catalog_reap has to take apart */
    uv_timer_t patience;
    struct data_read *reads; /* that wait, the oldest first */
    size_t working;          /* jobs in worker threads */
    bool closing;
    unsigned handles;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* A request that is not a write, while it is answered. */
struct data_read {
    struct data_server *server;
    struct http_exchange *exchange;
    const struct http_request *request;
    struct south_client *owner; /* a reference */
    struct data_query query;
    struct data_target target;
    struct data_path path;
    int64_t until_ms; /* 0: it has not waited for anything */
    bool impatient;   /* it waits no more */
    struct data_read *prev, *next;
};

/* server.c */
void data_arm(struct data_server *server);  /* after anything that moves the next expiry */
void data_reap(struct data_server *server); /* entries may have been cleared or discarded */
int64_t data_expiry(const struct data_server *server);
void data_part_closed(struct data_server *server);
struct http_tls data_tls(const struct config *config);

/* request.c: what is noted of each exchange from its arrival to its end, which is one of data_respond, _source, drop.
 */
bool data_request_begin(struct data_server *server, struct http_exchange *exchange, const struct http_request *request);
/* Who asks (NULL: nobody known) and for what (NULL: it cannot be read) is known now. */
void data_request_log(struct http_exchange *exchange, const struct http_request *request, struct south_client *owner,
                      const struct data_path *path);
uint64_t data_request_number(const struct http_exchange *exchange);
uint64_t data_request_arrived(const struct http_exchange *exchange); /* uv_hrtime */
/* As http_respond, http_respond_source, http_drop. */
void data_respond(struct http_exchange *exchange, unsigned status, const struct http_header *headers, size_t count,
                  const void *body, size_t length);
void data_respond_source(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                         size_t count, const struct http_source *source);
void data_drop(struct http_exchange *exchange);

/* reply.c */
void data_reply_fault(struct data_server *server, struct http_exchange *exchange, const struct south_client *owner,
                      const struct data_fault *fault);
void data_reply_text(struct http_exchange *exchange, unsigned status, const char *type, const char *body);
/* Headers of a resource with this stamp into out: ETag, Last-Modified, Cache-Control; texts live in buffer. Count. */
#define DATA_TAG_HEADERS 3
struct data_tag {
    char etag[32], modified[40];
};
size_t data_tag_headers(uint64_t stamp, int64_t modified_ms, struct data_tag *tag, struct http_header *out);
/* RFC 9110 section 13 for a resource with this stamp; 0 goes on, 304 and 412 do not. exists: anything is there. */
unsigned data_precondition(const struct http_request *request, bool exists, uint64_t stamp, int64_t modified_ms);

/* read.c */
/* True: it waits, and is kept. */
bool data_get(struct data_read *read);

/* waiting.c */
/* True: it is among those that wait. */
bool data_read_waits(struct data_read *read, const struct catalog_client *client);
void data_patience_over(uv_timer_t *timer);
void data_reads_drop(struct data_server *server);
void data_read_free(struct data_read *read);

/* state.c: what nobody writes; a new reference, NULL: out of memory. */
json_t *data_state(const struct data_server *server, enum data_root root);
json_t *data_capabilities(const struct data_server *server);
extern const char data_host_meta[];

/* write.c */
void data_write_begin(struct data_write *write); /* takes it over */
void data_write_committed(struct data_server *server, uint64_t sequence);
void data_writes_drop(struct data_server *server);
void data_write_free(struct data_write *write);
void data_write_refuse(struct data_write *write, const struct data_fault *fault); /* answers and frees it */
/* The client that this owner may see; NULL: there is none. */
struct catalog_client *data_client(const struct data_server *server, const struct south_client *owner,
                                   const char *cuid);

/* check.c: method, target, preconditions. 0, or -1 with a fault. */
int data_check(const struct data_write *write, struct data_fault *fault);

/* control.c */
int data_control_prepare(struct data_write *write, struct data_fault *fault); /* items of the edit */
void data_control_done(struct data_write *write, bool kept);
void data_control_free(struct data_write *write);

/* plan.c: from what the body says to changes: 0, or -1 with a fault. */
int data_plan(struct data_write *write, struct data_fault *fault);
const char *data_domain(const struct south_client *owner, const char *cdid);

/* keep.c: the plan into catalog and store. 0, or -1 out of memory. */
int data_keep(struct data_write *write);
int data_keep_entry(struct data_server *server, const struct catalog_entry *entry);
void data_expire(struct data_server *server);
