/*
 * store: durable state, a few tables of key -> value, in SQLite (WAL, full sync).
 *
 * Words: a *table* is one kind of record; a *change* puts or deletes one record; changes gather in
 * the open *batch*; a batch gets a *sequence* number when it is submitted and is *committed* when
 * it is on disk. One writer thread commits everything submitted since its last commit in one
 * transaction (group commit); the loop thread never touches the disk after open. Values are opaque
 * here: who writes a table owns its encoding. The interface is kept this small because a
 * distributed store takes its place one day. It must not know DOTS.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Append only: the numbers are on disk. */
enum store_table {
    STORE_META = 1,           /* "schema", secrets */
    STORE_BINDING = 2,        /* cuid -> the identity that owns it */
    STORE_MITIGATION = 3,     /* downstream requests */
    STORE_INSTALL = 4,        /* upstream requests */
    STORE_COUNTER = 5,        /* last mid and sid used upstream */
    STORE_SESSION_CONFIG = 6, /* configuration a client negotiated with us */
    STORE_ALIAS = 7,
    STORE_ACL = 8,
    STORE_DATA_CLIENT = 9, /* clients of the data channel, and when something of theirs changed last */
};

#define STORE_KEY_MAX 512u
#define STORE_VALUE_MAX 131072u

struct store;

/*
 * Opens (creates) DIRECTORY/state.db, checks its integrity and schema version, starts the writer.
 * on_commit is called on the loop thread with the highest committed sequence, at most once per
 * loop turn. Blocks: call at start only. Returns NULL with a sentence in error when the directory
 * cannot be used, the file is damaged or of a newer schema, or another process holds it.
 */
struct store *store_open(uv_loop_t *loop, const char *directory, void (*on_commit)(void *arg, uint64_t sequence),
                         void *arg, char *error, size_t error_size);

/* Calls each for every record of a table, in key order (bytes); start-up only, it blocks. What was
 * put but is not committed yet is not seen. Key and value live for the call, are never NULL, and are
 * not terminated. A non-zero return of each ends the walk and is returned; -EIO when the file cannot
 * be read (logged). */
int store_load(struct store *store, enum store_table table,
               int (*each)(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length),
               void *arg);

/* Add a change to the open batch; key and value are copied (NULL is fine where the length is 0). The
 * last change to a key wins. 0, or -ENOMEM / -E2BIG (key or value above its limit): then the batch is
 * as it was. */
int store_put(struct store *store, enum store_table table, const char *key, size_t key_length, const uint8_t *value,
              size_t value_length);
int store_delete(struct store *store, enum store_table table, const char *key, size_t key_length);
/* All keys from first up to end, which itself stays; in the order of bytes. What is put after it in the batch stays. */
int store_delete_range(struct store *store, enum store_table table, const char *first, size_t first_length,
                       const char *end, size_t end_length);

/* Closes the open batch: after a crash all of it is there or nothing. The writer has it before the loop waits the next
 * time: the loop has to run. Returns its sequence (1, 2, ...); with an empty batch the sequence of the last one
 * submitted. */
uint64_t store_submit(struct store *store);

/* The highest sequence known to be on disk. */
uint64_t store_committed(const struct store *store);

/*
 * A commit that fails (disk full, I/O error) is retried every second, with a log line when this
 * begins and one when it ends; nothing after it is acknowledged until it succeeds. True while that is so: the gateway
 * then answers 5.03.
 */
int store_failing(const struct store *store);

/* Memory of batches that were submitted and are not on disk, in bytes: what a slow disk costs. There
 * is no limit here, because a change that was accepted cannot be dropped: who makes changes holds back. */
uint64_t store_queued(const struct store *store);

/*
 * Commits what was submitted, stops the writer, closes. Blocks; when commits fail it gives the disk
 * another 5 s, then says in the log how much was not written. An open batch that was not submitted
 * is dropped. on_commit is not called from here on: who wants the last acknowledgements waits for
 * store_committed first. Calls on_closed when the loop has let go of the handle; the memory is gone
 * after that.
 */
void store_close(struct store *store, void (*on_closed)(void *arg), void *arg);
