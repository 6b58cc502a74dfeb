/* line_reader: lines that lie whole in the input are handed on from there, without a copy. */
#include "northbound/mitigator/line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int line_reader_init(struct line_reader *reader, size_t longest)
{
    *reader = (struct line_reader){.held = malloc(longest), .longest = longest};
    return reader->held ? 0 : -ENOMEM;
}

void line_reader_free(struct line_reader *reader)
{
    free(reader->held);
    reader->held = NULL;
}

static void hold(struct line_reader *reader, const char *data, size_t length)
{
    size_t room = reader->longest - reader->length;
    if (length > room) {
        reader->cut = true;
        length = room;
    }
    if (length)
        memcpy(reader->held + reader->length, data, length);
    reader->length += length;
}

static void emit(struct line_reader *reader, line_h *line, void *arg)
{
    size_t length = reader->length;
    bool cut = reader->cut;
    reader->length = 0;
    reader->cut = false;
    line(arg, reader->held, length, cut);
}

void line_reader_feed(struct line_reader *reader, const char *data, size_t length, line_h *line, void *arg)
{
    while (length) {
        const char *newline = memchr(data, '\n', length);
        size_t part = newline ? (size_t)(newline - data) : length;
        if (newline && reader->length == 0 && !reader->cut && part <= reader->longest) {
            line(arg, data, part, false);
        } else {
            hold(reader, data, part);
            if (newline)
                emit(reader, line, arg);
        }
        part += newline != NULL;
        data += part;
        length -= part;
    }
}

void line_reader_end(struct line_reader *reader, line_h *line, void *arg)
{
    if (reader->length || reader->cut)
        emit(reader, line, arg);
}
