/*
 * arena: the memory of one decoded message. It starts as one block that holds a typical request
 * whole, so that decoding one costs one malloc; it is freed at once.
 */
#pragma once

#include <stddef.h>

struct wire_arena;

struct wire_arena *wire_arena_new(size_t room); /* NULL: out of memory */

/* Not zeroed; align is a power of two. NULL: out of memory. */
void *wire_arena_take(struct wire_arena *arena, size_t size, size_t align);

/* As realloc for memory of this arena, size > old_size: in place when it was the last taken and there is room. */
void *wire_arena_grow(struct wire_arena *arena, void *old, size_t old_size, size_t size, size_t align);

void wire_arena_free(struct wire_arena *arena); /* NULL is fine */
