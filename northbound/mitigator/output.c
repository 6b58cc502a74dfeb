/* output: the timer of a window starts with its first line, so that an idle program costs nothing. */
#include "northbound/mitigator/output.h"

#include "gateway/log/log.h"

#define WINDOW_MS 1000
#define BAD_LINE_SHOWN 200u

static void say_suppressed(struct output *output)
{
    if (output->suppressed)
        log_warning("mitigator-output-suppressed",
                    "mitigator %s: %zu more lines of its program in a second are not shown", output->mitigator,
                    output->suppressed);
    output->lines = 0;
    output->suppressed = 0;
}

static void window_over(uv_timer_t *timer)
{
    say_suppressed(timer->data);
}

static bool allowed(struct output *output)
{
    if (!uv_is_active((uv_handle_t *)&output->window) && !uv_is_closing((uv_handle_t *)&output->window))
        uv_timer_start(&output->window, window_over, WINDOW_MS, 0);
    if (output->lines < OUTPUT_LINES_PER_SECOND) {
        output->lines++;
        return true;
    }
    output->suppressed++;
    return false;
}

void output_init(struct output *output, uv_loop_t *loop, const char *mitigator)
{
    *output = (struct output){.mitigator = mitigator};
    uv_timer_init(loop, &output->window);
    uv_unref((uv_handle_t *)&output->window);
    output->window.data = output;
}

void output_line(struct output *output, const char *line, size_t length, bool cut)
{
    while (length && line[length - 1] == '\r')
        length--;
    if (length && allowed(output))
        log_notice("mitigator-output", "mitigator %s: %.*s%s", output->mitigator, (int)length, line,
                   cut ? " (cut)" : "");
}

void output_bad(struct output *output, const char *line, size_t length, const char *reason)
{
    bool cut = length > BAD_LINE_SHOWN;
    if (allowed(output))
        log_warning("mitigator-report-bad", "mitigator %s: a line of its program is ignored, %s: %.*s%s",
                    output->mitigator, reason, (int)(cut ? BAD_LINE_SHOWN : length), line, cut ? " (cut)" : "");
}

void output_close(struct output *output, uv_close_cb closed)
{
    say_suppressed(output);
    uv_close((uv_handle_t *)&output->window, closed);
}
