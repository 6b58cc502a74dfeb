/* writer: takes what has gathered, commits it, tries again while the disk refuses. */
#include "gateway/store/writer.h"

#include <signal.h>
#include <string.h>

#include "gateway/log/log.h"

#define SECOND UINT64_C(1000000000)
#define LAST_TRIES 5 /* that closing gives a disk which fails, each after a pause */

static void move(struct batches *to, struct batches *from)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    from->first = from->last = NULL;
}

static size_t drop(struct writer *writer, struct batches *load)
{
    size_t count = 0;
    for (struct batch *next; load->first; load->first = next, count++) {
        next = load->first->next;
        atomic_fetch_sub(&writer->queued, batch_size(load->first));
        batch_free(load->first);
    }
    load->last = NULL;
    return count;
}

static void commit(struct writer *writer, struct batches *load)
{
    uv_mutex_lock(&writer->database_lock);
    bool done = database_commit(writer->database, load->first);
    const char *reason = done ? NULL : database_reason(writer->database);
    uv_mutex_unlock(&writer->database_lock);
    if (done) {
        atomic_store(&writer->committed, load->last->sequence);
        drop(writer, load);
        if (atomic_exchange(&writer->failing, false))
            log_notice("store-recovered", "state is written again; everything that waited is on disk");
        writer->progress(writer->arg);
    } else if (!atomic_exchange(&writer->failing, true)) {
        log_error("store-failing", "%s. Requests are refused with 5.03 until it works; tried again every second",
                  reason);
    }
}

/* Under lock; new batches do not end the pause, closing does. */
static void pause_before_retry(struct writer *writer)
{
    uint64_t end = uv_hrtime() + atomic_load(&writer->retry_ns);
    for (uint64_t now = uv_hrtime(); now < end && !writer->closing; now = uv_hrtime())
        uv_cond_timedwait(&writer->wake, &writer->lock, end - now);
}

/* Under lock: while closing nobody wakes us, and tries are counted. False: it is over. */
static bool pause_while_closing(struct writer *writer, unsigned *tries)
{
    if (*tries > LAST_TRIES)
        return false;
    if ((*tries)++ > 0) /* the first time it is tried again at once */
        uv_cond_timedwait(&writer->wake, &writer->lock, atomic_load(&writer->retry_ns));
    return true;
}

static void run(void *arg)
{
    struct writer *writer = arg;
    struct batches load = {NULL, NULL};
    unsigned tries = 0;
    uv_mutex_lock(&writer->lock);
    for (;;) {
        while (!writer->gathered.first && !load.first && !writer->closing)
            uv_cond_wait(&writer->wake, &writer->lock);
        if (load.first && !writer->closing)
            pause_before_retry(writer);
        if (load.first && writer->closing && !pause_while_closing(writer, &tries))
            break;
        move(&load, &writer->gathered);
        if (!load.first)
            break; /* closing, and nothing is left */
        uv_mutex_unlock(&writer->lock);
        commit(writer, &load);
        uv_mutex_lock(&writer->lock);
    }
    uv_mutex_unlock(&writer->lock);
    size_t lost = drop(writer, &load);
    if (lost)
        log_error("store-lost", "%zu batches of changes could not be written before the end; none was acknowledged",
                  lost);
}

/* Signals are for the loop's thread. */
static int start_thread(struct writer *writer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = uv_thread_create(&writer->thread, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

int writer_start(struct writer *writer, struct database *database, void (*progress)(void *arg), void *arg)
{
    memset(writer, 0, sizeof *writer);
    writer->database = database;
    writer->progress = progress;
    writer->arg = arg;
    atomic_init(&writer->retry_ns, SECOND);
    int result = uv_mutex_init_recursive(&writer->database_lock); /* a walk of a table may walk another */
    if (result != 0)
        return result;
    if ((result = uv_mutex_init(&writer->lock)) != 0)
        goto no_lock;
    if ((result = uv_cond_init(&writer->wake)) != 0)
        goto no_wake;
    if ((result = start_thread(writer)) == 0)
        return 0;
    uv_cond_destroy(&writer->wake);
no_wake:
    uv_mutex_destroy(&writer->lock);
no_lock:
    uv_mutex_destroy(&writer->database_lock);
    return result;
}

void writer_submit(struct writer *writer, struct batch *batch)
{
    batch->next = NULL;
    atomic_fetch_add(&writer->queued, batch_size(batch));
    move(&writer->coming, &(struct batches){batch, batch});
}

void writer_wake(struct writer *writer)
{
    uv_mutex_lock(&writer->lock);
    move(&writer->gathered, &writer->coming);
    uv_mutex_unlock(&writer->lock);
    uv_cond_signal(&writer->wake); /* behind the lock, or the writer wakes to wait for it */
}

void writer_stop(struct writer *writer)
{
    uv_mutex_lock(&writer->lock);
    move(&writer->gathered, &writer->coming);
    writer->closing = true;
    uv_cond_signal(&writer->wake);
    uv_mutex_unlock(&writer->lock);
    uv_thread_join(&writer->thread);
    uv_cond_destroy(&writer->wake);
    uv_mutex_destroy(&writer->lock);
    uv_mutex_destroy(&writer->database_lock);
}
