/*
 * failing_allocation: one allocation of the code under test fails, chosen by its number. A test that
 * includes this names the functions to the linker: "wraps: malloc calloc realloc tsearch".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));

static struct {
    bool armed, failed;
    size_t left; /* allocations that still succeed */
} allocation;

/* After count more allocations one fails, and only that one. */
static inline void allocation_fail_after(size_t count)
{
    allocation.armed = true;
    allocation.failed = false;
    allocation.left = count;
}

/* Ends it; true when one has failed. */
static inline bool allocation_has_failed(void)
{
    allocation.armed = false;
    return allocation.failed;
}

static inline bool allocation_fails_now(void)
{
    if (!allocation.armed || allocation.failed)
        return false;
    if (allocation.left > 0) {
        allocation.left--;
        return false;
    }
    allocation.failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return allocation_fails_now() ? NULL : __real_realloc(memory, size);
}

/* It allocates inside the C library, where the linker does not reach. */
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *))
{
    return allocation_fails_now() ? NULL : __real_tsearch(key, root, compare);
}
