/*
 * writer: the thread that commits. Batches queue up while it waits for the disk; all that have
 * gathered make the next transaction (group commit). A transaction that fails is tried again,
 * with what has gathered since, until it succeeds.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/store/batch.h"
#include "gateway/store/database.h"

struct batches {
    struct batch *first, *last;
};

struct writer {
    struct database *database; /* used under database_lock */
    uv_mutex_t database_lock;
    void (*progress)(void *arg); /* called on the writer's thread after each commit */
    void *arg;

    uv_thread_t thread;
    uv_mutex_t lock; /* of gathered, closing */
    uv_cond_t wake;
    struct batches coming;   /* submitted in this turn; the loop's own */
    struct batches gathered; /* handed over, not yet taken by the thread */
    bool closing;

    atomic_uint_fast64_t committed; /* highest sequence on disk */
    atomic_uint_fast64_t queued;    /* bytes of batches that are not on disk */
    atomic_bool failing;
    atomic_uint_fast64_t retry_ns; /* between two tries of a transaction that fails */
};

/* Starts the thread. 0 or a negative libuv error. The database stays the caller's. */
int writer_start(struct writer *writer, struct database *database, void (*progress)(void *arg), void *arg);

/* Takes the batch over; the thread has it at the next writer_wake(). Both are for one thread, the loop's. */
void writer_submit(struct writer *writer, struct batch *batch);

/* Hands what was submitted to the thread. Once for many: waking it costs more than a small batch. */
void writer_wake(struct writer *writer);

/* Commits what was submitted and ends the thread. When the disk still fails it is given five
 * more tries (5 s), then what is left (none of it acknowledged) is counted in the log and dropped. */
void writer_stop(struct writer *writer);
