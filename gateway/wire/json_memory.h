/*
 * json_memory: whether jansson has lacked memory. jansson 2.14 goes on after some failed allocations:
 * its lexer drops a character ("10.0.0.0/16" is read as "10.0.0.0/1"), its writer the name of a
 * member. So its allocator, malloc otherwise, remembers failures, for each thread.
 */
#pragma once

#include <stdbool.h>

void wire_json_memory_watch(void); /* from here on; before jansson is called */
bool wire_json_memory_failed(void);
