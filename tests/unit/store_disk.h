/*
 * store_disk: a SQLite VFS over the real one that can fail and that knows what a power failure
 * leaves. Every write, truncation and sync of the store passes here:
 *  - disk_fail() makes chosen ones return an error;
 *  - disk_cut() writes into another directory what is certain to be on disk (all before the last
 *    sync of each file) and a random part, in sectors, of what came after it.
 */
#pragma once

#include "tests/unit/store_history.h"

#include <sqlite3.h>

#define SECTOR 512u
#define DISK_FILES 8u

struct disk_write { /* since the last sync; length 0: truncation to offset */
    struct disk_write *next;
    size_t offset, length;
    uint8_t bytes[];
};

struct disk_image {
    char name[32];  /* without its directory; empty: free */
    uint8_t *bytes; /* as synced */
    size_t length;
    struct disk_write *pending, **end;
};

struct disk_file {
    sqlite3_file base;
    struct disk_image *image;
    sqlite3_file *real; /* behind this one */
};

static struct {
    uv_mutex_t lock;
    sqlite3_vfs vfs, *real;
    unsigned operations;   /* since disk_fail */
    unsigned first, count; /* of operations, from 1, that fail */
    int code;              /* what they return */
    bool keeps_images;
    struct disk_image images[DISK_FILES];
} disk;

static inline int disk_verdict(void)
{
    uv_mutex_lock(&disk.lock);
    unsigned operation = ++disk.operations;
    int code = operation >= disk.first && operation - disk.first < disk.count ? disk.code : SQLITE_OK;
    uv_mutex_unlock(&disk.lock);
    return code;
}

/* From now on, operations first .. first + count - 1 (from 1) fail with code; count 0: none. */
static inline void disk_fail(unsigned first, unsigned count, int code)
{
    uv_mutex_lock(&disk.lock);
    disk.operations = 0;
    disk.first = first;
    disk.count = count;
    disk.code = code;
    uv_mutex_unlock(&disk.lock);
}

static inline unsigned disk_operations(void)
{
    uv_mutex_lock(&disk.lock);
    unsigned operations = disk.operations;
    uv_mutex_unlock(&disk.lock);
    return operations;
}

/* ---- Images ---- */

/* What is allocated for so many bytes: appending page by page must not copy all of it each time. */
static inline size_t image_capacity(size_t length)
{
    size_t capacity = 65536;
    while (capacity < length)
        capacity *= 2;
    return capacity;
}

static inline void image_write(uint8_t **bytes, size_t *length, const struct disk_write *write, uint64_t *random)
{
    size_t end = write->offset + write->length;
    if (write->length == 0) {
        if (!random || mix(++*random) % 2)
            *length = write->offset < *length ? write->offset : *length;
        return;
    }
    if (end > *length) {
        if (!*bytes || image_capacity(end) != image_capacity(*length))
            *bytes = realloc(*bytes, image_capacity(end));
        assert_non_null(*bytes);
        memset(*bytes + *length, 0, end - *length);
        *length = end;
    }
    for (size_t done = 0; done < write->length;) {
        size_t part = SECTOR - (write->offset + done) % SECTOR;
        if (part > write->length - done)
            part = write->length - done;
        if (!random || mix(++*random) % 2)
            memcpy(*bytes + write->offset + done, write->bytes + done, part);
        done += part;
    }
}

static inline void image_note(struct disk_image *image, const void *bytes, size_t length, size_t offset)
{
    struct disk_write *write = malloc(sizeof *write + length);
    assert_non_null(write);
    *write = (struct disk_write){NULL, offset, length};
    if (length)
        memcpy(write->bytes, bytes, length);
    uv_mutex_lock(&disk.lock);
    *image->end = write;
    image->end = &write->next;
    uv_mutex_unlock(&disk.lock);
}

static inline void image_sync(struct disk_image *image)
{
    uv_mutex_lock(&disk.lock);
    for (struct disk_write *write = image->pending, *next; write; write = next) {
        next = write->next;
        image_write(&image->bytes, &image->length, write, NULL);
        free(write);
    }
    image->pending = NULL;
    image->end = &image->pending;
    uv_mutex_unlock(&disk.lock);
}

static inline struct disk_image *image_of(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    struct disk_image *free_image = NULL;
    for (struct disk_image *image = disk.images; image < disk.images + DISK_FILES; image++) {
        if (strcmp(image->name, name) == 0)
            return image;
        if (!image->name[0])
            free_image = image;
    }
    assert_non_null(free_image);
    snprintf(free_image->name, sizeof free_image->name, "%s", name);
    free_image->end = &free_image->pending;
    return free_image;
}

static inline void image_forget(struct disk_image *image)
{
    image_sync(image);
    free(image->bytes);
    memset(image, 0, sizeof *image);
}

/* What a file held when it was opened is on disk. */
static inline void image_read(struct disk_image *image, sqlite3_file *real)
{
    sqlite3_int64 size = 0;
    if (image->length || image->pending || real->pMethods->xFileSize(real, &size) != SQLITE_OK || size == 0)
        return;
    image->bytes = malloc(image_capacity((size_t)size));
    assert_non_null(image->bytes);
    image->length = (size_t)size;
    assert_int_equal(real->pMethods->xRead(real, image->bytes, (int)size, 0), SQLITE_OK);
}

/* Between two stores. */
static inline void disk_forget(void)
{
    for (struct disk_image *image = disk.images; image < disk.images + DISK_FILES; image++) {
        if (image->name[0])
            image_forget(image);
    }
}

/* The power fails now: what a new start would find lies in directory after this. */
static inline void disk_cut(const char *directory, uint64_t random)
{
    uv_mutex_lock(&disk.lock);
    for (struct disk_image *image = disk.images; image < disk.images + DISK_FILES; image++) {
        if (!image->name[0])
            continue;
        char path[600];
        size_t length = image->length;
        uint8_t *bytes = malloc(image_capacity(length));
        assert_non_null(bytes);
        if (length)
            memcpy(bytes, image->bytes, length);
        for (const struct disk_write *write = image->pending; write; write = write->next)
            image_write(&bytes, &length, write, &random);
        snprintf(path, sizeof path, "%s/%s", directory, image->name);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, length, file), length);
        assert_int_equal(fclose(file), 0);
        free(bytes);
    }
    uv_mutex_unlock(&disk.lock);
}

/* ---- The VFS ---- */

static inline sqlite3_file *real_file(sqlite3_file *file)
{
    return ((struct disk_file *)file)->real;
}

static int disk_close(sqlite3_file *file)
{
    return real_file(file)->pMethods->xClose(real_file(file));
}

static int disk_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 offset)
{
    return real_file(file)->pMethods->xRead(real_file(file), bytes, length, offset);
}

static int disk_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset)
{
    int code = disk_verdict();
    if (code != SQLITE_OK)
        return code;
    if (((struct disk_file *)file)->image)
        image_note(((struct disk_file *)file)->image, bytes, (size_t)length, (size_t)offset);
    return real_file(file)->pMethods->xWrite(real_file(file), bytes, length, offset);
}

static int disk_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int code = disk_verdict();
    if (code != SQLITE_OK)
        return code;
    if (((struct disk_file *)file)->image)
        image_note(((struct disk_file *)file)->image, NULL, 0, (size_t)size);
    return real_file(file)->pMethods->xTruncate(real_file(file), size);
}

static int disk_sync(sqlite3_file *file, int flags)
{
    (void)flags; /* the images stand for the disk: the real one need not be waited for */
    int code = disk_verdict();
    if (code == SQLITE_OK && ((struct disk_file *)file)->image)
        image_sync(((struct disk_file *)file)->image);
    return code;
}

static int disk_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_file(file)->pMethods->xFileSize(real_file(file), size);
}

static int disk_lock(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xLock(real_file(file), level);
}

static int disk_unlock(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xUnlock(real_file(file), level);
}

static int disk_check_lock(sqlite3_file *file, int *out)
{
    return real_file(file)->pMethods->xCheckReservedLock(real_file(file), out);
}

static int disk_control(sqlite3_file *file, int operation, void *arg)
{
    return real_file(file)->pMethods->xFileControl(real_file(file), operation, arg);
}

static int disk_sector(sqlite3_file *file)
{
    return real_file(file)->pMethods->xSectorSize(real_file(file));
}

static int disk_device(sqlite3_file *file)
{
    return real_file(file)->pMethods->xDeviceCharacteristics(real_file(file));
}

/* Version 1: no shared memory. That the store works on it shows that it needs none. */
static const sqlite3_io_methods disk_methods = {
    .iVersion = 1,
    .xClose = disk_close,
    .xRead = disk_read,
    .xWrite = disk_write,
    .xTruncate = disk_truncate,
    .xSync = disk_sync,
    .xFileSize = disk_size,
    .xLock = disk_lock,
    .xUnlock = disk_unlock,
    .xCheckReservedLock = disk_check_lock,
    .xFileControl = disk_control,
    .xSectorSize = disk_sector,
    .xDeviceCharacteristics = disk_device,
};

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    struct disk_file *wrapped = (struct disk_file *)file;
    (void)vfs;
    wrapped->real = (sqlite3_file *)(wrapped + 1);
    wrapped->image = disk.keeps_images && path ? image_of(path) : NULL;
    int result = disk.real->xOpen(disk.real, path, wrapped->real, flags, out_flags);
    wrapped->base.pMethods = wrapped->real->pMethods ? &disk_methods : NULL;
    if (result == SQLITE_OK && wrapped->image)
        image_read(wrapped->image, wrapped->real);
    return result;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
    (void)vfs;
    if (disk.keeps_images)
        image_forget(image_of(path));
    return disk.real->xDelete(disk.real, path, sync_directory);
}

/* From here on every database of this process is opened through it. */
static inline void disk_register(void)
{
    uv_mutex_init(&disk.lock);
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "store_disk";
    disk.vfs.szOsFile = (int)sizeof(struct disk_file) + disk.real->szOsFile;
    disk.vfs.xOpen = disk_open;
    disk.vfs.xDelete = disk_delete;
    disk.vfs.pNext = NULL;
    assert_int_equal(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}
