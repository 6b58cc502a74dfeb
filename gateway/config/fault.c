/* fault: the sentence, line and column that an operator sees. */
#include "gateway/config/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static int set(struct config_error *error, int line, int column,
                                                     const char *format, va_list arguments)
{
    error->line = line;
    error->column = column;
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    for (char *at = error->text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return -1;
}

int config_error_set(struct config_error *error, int line, int column, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set(error, line, column, format, arguments);
    va_end(arguments);
    return -1;
}

int config_fault(struct loader *loader, const struct node *at, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set(loader->error, (int)at->line, (int)at->column, format, arguments);
    va_end(arguments);
    return -1;
}

const char *config_found(const struct node *node, char buffer[CONFIG_FOUND_TEXT])
{
    const size_t most = CONFIG_FOUND_TEXT - sizeof("\"...\"");
    size_t length = node->count;

    if (node->kind == NODE_LIST)
        return "a list";
    if (node->kind == NODE_MAP)
        return "a mapping";
    if (config_node_empty(node))
        return "nothing";
    if (length > most) {
        length = most;
        while (length > 0 && ((unsigned char)node->text[length] & 0xc0) == 0x80)
            length--; /* not in the middle of a character */
    }
    snprintf(buffer, CONFIG_FOUND_TEXT, "\"%.*s%s\"", (int)length, node->text, length < node->count ? "..." : "");
    return buffer;
}
