/* What a mitigator's program writes: lines of any bytes, cut and decoded as reports. */
/* links: mitigator */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/mitigator/line_reader.h"
#include "northbound/mitigator/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(void *arg, const char *line, size_t length, bool cut)
{
    struct mitigator_report report;
    char id[JOB_ID_MAX + 1], error[160] = "";
    (void)arg, (void)cut;
    if (report_decode(line, length, id, &report, error, sizeof error) != 0) {
        if (!error[0])
            abort();
        return;
    }
    if (!job_id_valid(id) || report.status > WIRE_STATUS_WITHDRAWN || report.status == WIRE_STATUS_CLIENT_WITHDRAWN)
        abort();
    if (!report.status && !report.has_bytes && !report.has_bps && !report.has_pkts && !report.has_pps &&
        !report.matched)
        abort();
    report_free(&report);
}

/* The first byte says how the rest is cut into reads. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line_reader reader;
    if (size == 0 || line_reader_init(&reader, REPORT_LINE_MAX) != 0)
        return 0;
    size_t part = data[0] ? data[0] : size;
    for (size_t done = 1; done < size; done += part)
        line_reader_feed(&reader, (const char *)data + done, size - done < part ? size - done : part, decode, NULL);
    line_reader_end(&reader, decode, NULL);
    line_reader_free(&reader);
    return 0;
}
