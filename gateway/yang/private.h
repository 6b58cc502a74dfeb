/* private: what the files of gateway/yang share, and what differs between versions of libyang. */
#pragma once

#include <libyang/libyang.h>

#include "gateway/yang/modules.h"
#include "gateway/yang/yang.h"

struct yang {
    struct ly_ctx *context;
    const struct lys_module *root;
};

/* libyang 3 has it by another name. */
#if YANG_LIBYANG_MAJOR >= 3
#define yang_error_path(item) ((item)->data_path)
#else
#define yang_error_path(item) ((item)->path)
#endif

/* Of this thread; "" when there is none. */
const char *yang_last_error(const struct ly_ctx *context);
