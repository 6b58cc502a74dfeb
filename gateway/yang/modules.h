/* modules: gateway/yang/modules/, embedded at build time. Private to gateway/yang. */
#pragma once

struct yang_module_text {
    const char *name;
    const char *text; /* ends with a NUL */
};

extern const struct yang_module_text yang_modules[]; /* the last one has no name */
