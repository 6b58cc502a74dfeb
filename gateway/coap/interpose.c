/*
 * interpose: what is behind a function of a library that this program defines itself.
 *
 * Definitions of the program come before those of libraries in the symbol lookup, so libcoap's calls through its PLT
 * come to ours, and so do everybody else's: those are handed on. docs/architecture.md says which, and what for.
 */
#include "gateway/coap/private.h"

#include <dlfcn.h>

void *interpose_next(const char *name, _Atomic(void *) *known)
{
    void *symbol = atomic_load_explicit(known, memory_order_relaxed);
    if (symbol == NULL) {
        symbol = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(known, symbol, memory_order_relaxed);
    }
    return symbol;
}
