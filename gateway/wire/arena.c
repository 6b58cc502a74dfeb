/* The memory of one decoded message: a chain of blocks, the newest first. */
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/arena.h"

#define BLOCK_MAX 65536u

struct block {
    struct block *next;
    alignas(max_align_t) uint8_t bytes[];
};

struct wire_arena {
    struct block *blocks; /* those after the first; that one lies behind this structure */
    uint8_t *at, *end;    /* free room in the newest block */
    size_t room;          /* bytes of the newest block */
    alignas(max_align_t) uint8_t bytes[];
};

struct wire_arena *wire_arena_new(size_t room)
{
    struct wire_arena *arena;

    if (room > SIZE_MAX - sizeof(*arena))
        return NULL;
    arena = malloc(sizeof(*arena) + room);
    if (!arena)
        return NULL;
    arena->blocks = NULL;
    arena->at = arena->bytes;
    arena->end = arena->bytes + room;
    arena->room = room;
    return arena;
}

static int add_block(struct wire_arena *arena, size_t size)
{
    size_t room = arena->room < BLOCK_MAX / 2 ? arena->room * 2 : BLOCK_MAX;
    struct block *block;

    if (room < size)
        room = size;
    if (room > SIZE_MAX - sizeof(*block))
        return -1;
    block = malloc(sizeof(*block) + room);
    if (!block)
        return -1;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->at = block->bytes;
    arena->end = block->bytes + room;
    arena->room = room;
    return 0;
}

void *wire_arena_take(struct wire_arena *arena, size_t size, size_t align)
{
    size_t pad = (size_t)(-(uintptr_t)arena->at & (align - 1));
    void *taken;

    if (pad > (size_t)(arena->end - arena->at) || size > (size_t)(arena->end - arena->at) - pad) {
        if (add_block(arena, size)) /* a block begins aligned for everything */
            return NULL;
        pad = 0;
    }
    taken = arena->at + pad;
    arena->at += pad + size;
    return taken;
}

void *wire_arena_grow(struct wire_arena *arena, void *old, size_t old_size, size_t size, size_t align)
{
    void *moved;

    if (old && (uint8_t *)old + old_size == arena->at && size - old_size <= (size_t)(arena->end - arena->at)) {
        arena->at += size - old_size;
        return old;
    }
    moved = wire_arena_take(arena, size, align);
    if (moved && old)
        memcpy(moved, old, old_size);
    return moved;
}

void wire_arena_free(struct wire_arena *arena)
{
    struct block *next;

    if (!arena)
        return;
    for (struct block *block = arena->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}
