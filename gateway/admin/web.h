/* web: the files of gateway/admin/web/, embedded at build time. Private to gateway/admin. */
#pragma once

#include <stddef.h>

struct web_file {
    const char *name;
    const char *text;
    size_t length;
};

extern const struct web_file web_files[]; /* the last one has no name */
