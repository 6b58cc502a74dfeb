/* How a message is refused: the parameter and a sentence. */
#include <stdarg.h>
#include <stdio.h>

#include "gateway/wire/error.h"

static void make_printable(char *text)
{
    for (char *c = text; *c; c++) {
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
    }
}

void wire_explain(struct wire_error *error, const char *name, const char *format, ...)
{
    va_list arguments;
    size_t start;

    snprintf(error->parameter, sizeof(error->parameter), "%s", name);
    start = (size_t)snprintf(error->text, sizeof(error->text), "%s", error->parameter);
    va_start(arguments, format);
    vsnprintf(error->text + start, sizeof(error->text) - start, format, arguments);
    va_end(arguments);
    make_printable(error->parameter);
    make_printable(error->text);
}
