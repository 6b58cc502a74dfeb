/* Prometheus' text format.
 * links: admin aggregation wire http store config log */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/metrics.h"

static void expect(struct metrics *metrics, const char *text)
{
    assert_false(metrics->failed);
    assert_int_equal(metrics->length, strlen(text));
    assert_memory_equal(metrics->text, text, metrics->length);
    free(metrics->text);
}

static void test_family_and_samples(void **state)
{
    struct metrics metrics = {0};

    (void)state;
    metrics_family(&metrics, "a_total", METRICS_COUNTER, "What it is.");
    metrics_sample(&metrics, "a_total", 3, NULL);
    metrics_sample(&metrics, "a_total", 18446744073709.0, "x", "1", "y", "2", NULL);
    metrics_single(&metrics, "b", METRICS_GAUGE, "B.", 0.25);
    expect(&metrics, "# HELP a_total What it is.\n# TYPE a_total counter\na_total 3\n"
                     "a_total{x=\"1\",y=\"2\"} 18446744073709\n"
                     "# HELP b B.\n# TYPE b gauge\nb 0.25\n");
}

static void test_values_of_labels_are_escaped(void **state)
{
    struct metrics metrics = {0};

    (void)state;
    metrics_sample(&metrics, "a", 1, "x", "a\\b\"c\nd", NULL);
    expect(&metrics, "a{x=\"a\\\\b\\\"c\\nd\"} 1\n");
}

static void test_histogram_cumulates(void **state)
{
    struct metrics_histogram histogram = {0};
    struct metrics metrics = {0};

    (void)state;
    metrics_observe(&histogram, 0.0005); /* a bound belongs to its bucket */
    metrics_observe(&histogram, 0.003);
    metrics_observe(&histogram, 100);
    metrics_histogram(&metrics, "h", "H.", &histogram);
    assert_false(metrics.failed);
    assert_int_equal(histogram.count, 3);
    metrics.text = realloc(metrics.text, metrics.length + 1);
    metrics.text[metrics.length] = '\0';
    assert_non_null(strstr(metrics.text, "# TYPE h histogram\nh_bucket{le=\"0.0005\"} 1\nh_bucket{le=\"0.001\"} 1\n"));
    assert_non_null(strstr(metrics.text, "h_bucket{le=\"0.005\"} 2\n"));
    assert_non_null(
        strstr(metrics.text, "h_bucket{le=\"30\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 100.0035\nh_count 3\n"));
    free(metrics.text);
}

static void test_histogram_under_a_label(void **state)
{
    struct metrics_histogram histogram = {0};
    struct metrics metrics = {0};

    (void)state;
    metrics_observe(&histogram, 0.25);
    metrics_buckets(&metrics, "h", &histogram, "upstream", "isp");
    assert_false(metrics.failed);
    metrics.text = realloc(metrics.text, metrics.length + 1);
    metrics.text[metrics.length] = '\0';
    assert_non_null(strstr(metrics.text, "h_bucket{le=\"0.2\",upstream=\"isp\"} 0\n"
                                         "h_bucket{le=\"0.5\",upstream=\"isp\"} 1\n"));
    assert_non_null(strstr(metrics.text, "h_sum{upstream=\"isp\"} 0.25\nh_count{upstream=\"isp\"} 1\n"));
    free(metrics.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_family_and_samples),
        cmocka_unit_test(test_values_of_labels_are_escaped),
        cmocka_unit_test(test_histogram_cumulates),
        cmocka_unit_test(test_histogram_under_a_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
