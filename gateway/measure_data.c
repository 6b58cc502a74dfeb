/* measure_data: metrics of the data channel, of both its legs. */

#include "gateway/http/http.h"
#include "gateway/inspect.h"

static void of_connections(const struct inspection *inspection, struct metrics *out)
{
    static const struct http_counters none;
    const struct http_counters *counters = data_http_counters(inspection->data);

    counters = counters ? counters : &none;
    metrics_single(out, "dotsgw_data_connections", METRICS_GAUGE, "Connections to the data channel.",
                   counters->connections);
    metrics_single(out, "dotsgw_data_handshakes_failed_total", METRICS_COUNTER,
                   "Handshakes of the data channel that failed.", (double)counters->handshakes_failed);
    metrics_single(out, "dotsgw_data_refused_total", METRICS_COUNTER,
                   "Requests and connections of the data channel that were refused: no proper HTTP, or over a limit.",
                   (double)(counters->refused + counters->turned_away + counters->floods + counters->too_slow));
}

static void of_requests(const struct inspection *inspection, struct metrics *out)
{
    const struct data_counters *counters = data_counters(inspection->data);

    metrics_family(out, "dotsgw_data_requests_total", METRICS_COUNTER, "Requests of the data channel, by method.");
    for (size_t i = 0; i < DATA_METHODS; i++)
        metrics_sample(out, "dotsgw_data_requests_total", (double)counters->requests[i], "method", data_method_name(i),
                       NULL);
    metrics_family(out, "dotsgw_data_responses_total", METRICS_COUNTER,
                   "Responses of the data channel, by method and status.");
    for (size_t i = 0; i < DATA_METHODS; i++)
        for (size_t j = 0; j < HTTP_STATUSES; j++)
            if (counters->responses[i][j])
                metrics_sample(out, "dotsgw_data_responses_total", (double)counters->responses[i][j], "method",
                               data_method_name(i), "status", http_status_name(j), NULL);
}

static void of_answers(const struct northbound_data_upstream *upstream, struct metrics *out, const char *name)
{
    for (size_t i = 0; i < RESTCONF_METHODS; i++)
        for (size_t j = 0; j <= RESTCONF_UNANSWERED; j++)
            if (upstream->counters->answers[i][j])
                metrics_sample(out, name, (double)upstream->counters->answers[i][j], "upstream", upstream->name,
                               "method", restconf_method_name(i), "status",
                               j == RESTCONF_UNANSWERED ? "unanswered" : http_status_name(j), NULL);
}

static void of_upstreams(const struct inspection *inspection, struct metrics *out)
{
    static const struct metrics_histogram none;
    static const char requests[] = "dotsgw_upstream_data_requests_total";
    static const char latency[] = "dotsgw_upstream_data_latency_seconds";
    struct northbound_data_upstream upstream;

    metrics_family(out, "dotsgw_upstream_data_up", METRICS_GAUGE, "1: the data channel of this upstream answers.");
    for (size_t i = 0; data_upstreams_each(inspection->data_upstreams, i, &upstream); i++)
        metrics_sample(out, "dotsgw_upstream_data_up", upstream.up, "upstream", upstream.name, NULL);
    metrics_family(out, "dotsgw_upstream_data_requests_waiting", METRICS_GAUGE,
                   "Requests to the data channel of this upstream that wait to be sent, or for their answer.");
    for (size_t i = 0; data_upstreams_each(inspection->data_upstreams, i, &upstream); i++)
        metrics_sample(out, "dotsgw_upstream_data_requests_waiting", (double)upstream.waiting, "upstream",
                       upstream.name, NULL);
    metrics_family(out, requests, METRICS_COUNTER,
                   "Requests to the data channel of this upstream, by method and the status that answered them.");
    for (size_t i = 0; data_upstreams_each(inspection->data_upstreams, i, &upstream); i++)
        of_answers(&upstream, out, requests);
    metrics_family(out, latency, METRICS_HISTOGRAM,
                   "From the arrival of a client's request on the data channel to the acknowledgement (2xx) of this "
                   "upstream of all that was sent to it for that.");
    for (size_t i = 0; data_upstreams_each(inspection->data_upstreams, i, &upstream); i++) {
        const struct inspection_record *record = inspection_record(inspection, false, upstream.name);

        metrics_buckets(out, latency, record ? &record->data_taken : &none, "upstream", upstream.name);
    }
}

void measure_data(const struct inspection *inspection, struct metrics *out)
{
    of_connections(inspection, out);
    of_requests(inspection, out);
    of_upstreams(inspection, out);
}
