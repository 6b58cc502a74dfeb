/* head: see head.h. */
#include "gateway/http/head.h"

enum { REQUEST_LINE, LINE_START, NAME, VALUE, LF, LAST_LF };

void head_scan_trailers(struct head_scan *scan)
{
    *scan = (struct head_scan){.state = LINE_START};
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* The state after c, or -1. */
static int step(struct head_scan *scan, char c)
{
    switch (scan->state) {
    case REQUEST_LINE: /* RFC 9112 section 3: single spaces, and nothing else that is not visible */
        if (c == '\r') {
            scan->request_line = scan->position;
            return scan->spaces == 2 ? LF : -1;
        }
        if (c == ' ')
            return ++scan->spaces <= 2 ? REQUEST_LINE : -1;
        return is_control(c) || c == '\t' ? -1 : REQUEST_LINE;
    case LINE_START: /* section 5.2: no folding */
        if (c == '\r')
            return LAST_LF;
        return is_control(c) || c == ' ' || c == '\t' || c == ':' ? -1 : NAME;
    case NAME: /* section 5.1: no white space before the colon */
        if (c == ':')
            return VALUE;
        return is_control(c) || c == ' ' || c == '\t' ? -1 : NAME;
    case VALUE:
        if (c == '\r')
            return LF;
        return is_control(c) ? -1 : VALUE;
    default: /* LF, LAST_LF; section 2.2: no bare CR */
        return c == '\n' ? LINE_START : -1;
    }
}

enum head_result head_scan(struct head_scan *scan, const char *text, size_t length)
{
    while (scan->position < length) {
        bool last = scan->state == LAST_LF;
        int state = step(scan, text[scan->position]);
        if (state < 0)
            return HEAD_BAD;
        if (scan->state == LF)
            scan->lines++;
        scan->state = (uint8_t)state;
        scan->position++;
        if (last)
            return HEAD_DONE;
    }
    return HEAD_MORE;
}
