/* error: how a message is refused, for the diagnostic payload of 4.00 and for operators. */
#pragma once

#include "gateway/wire/wire.h"

/* The name under which faults of the message as a whole are reported. */
#define WIRE_BODY "body"

/*
 * error->parameter becomes name, error->text name and the formatted rest (": must not be 0"). Octets
 * that do not print are replaced: they may be the peer's, and both fields end in logs, terminals and
 * diagnostic payloads.
 */
__attribute__((format(printf, 3, 4))) void wire_explain(struct wire_error *error, const char *name, const char *format,
                                                        ...);

/* The same, with the result of what failed. */
#define wire_fail(error, name, ...) (wire_explain((error), (name), __VA_ARGS__), -1)
#define wire_out_of_memory(error) (wire_explain((error), WIRE_BODY, ": out of memory"), -2)
