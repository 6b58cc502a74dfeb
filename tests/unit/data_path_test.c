/* path: resources and queries of the data channel, as text from anybody. */
/* links: southbound_data wire */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

#include "southbound/data/path.h"
#include "southbound/data/view.h"

static struct data_path path;
static struct data_query query;
static struct data_fault fault;

static void refuses_path(const char *text, unsigned status)
{
    assert_int_equal(data_path_parse(text, &path, &fault), -1);
    assert_int_equal(fault.status, status);
    assert_true(fault.message[0] != '\0');
}

static void test_rfc8040_3_5_3_steps_and_keys(void **state)
{
    (void)state;
    assert_int_equal(data_path_parse("/restconf/data/a:list=x%2Cy,%C3%A9,/b.c-d_e/f=", &path, &fault), 0);
    assert_int_equal(path.root, DATA_ROOT_DATASTORE);
    assert_int_equal(path.step_count, 3);
    assert_string_equal(path.steps[0].module, "a");
    assert_string_equal(path.steps[0].name, "list");
    assert_int_equal(path.steps[0].key_count, 3);
    assert_string_equal(path.steps[0].keys[0], "x,y");
    assert_string_equal(path.steps[0].keys[1], "\xc3\xa9");
    assert_string_equal(path.steps[0].keys[2], "");
    assert_null(path.steps[1].module);
    assert_string_equal(path.steps[1].name, "b.c-d_e");
    assert_int_equal(path.steps[2].key_count, 1);
    assert_int_equal(data_path_parse("/restconf/data/a:b/", &path, &fault), 0);
    assert_int_equal(path.step_count, 1);
    assert_int_equal(data_path_parse("/restconf/data", &path, &fault), 0);
    assert_int_equal(path.step_count, 0);
}

static void test_rfc8040_3_1_roots(void **state)
{
    (void)state;
    assert_int_equal(data_path_parse("/.well-known/host-meta", &path, &fault), 0);
    assert_int_equal(path.root, DATA_ROOT_HOST_META);
    assert_int_equal(data_path_parse("/restconf/", &path, &fault), 0);
    assert_int_equal(path.root, DATA_ROOT_API);
    assert_int_equal(data_path_parse("/restconf/yang-library-version", &path, &fault), 0);
    assert_int_equal(path.root, DATA_ROOT_LIBRARY_VERSION);
    assert_int_equal(data_path_parse("/restconf/operations", &path, &fault), 0);
    assert_int_equal(path.root, DATA_ROOT_OPERATIONS);
    refuses_path("/restconfig", 404);
    refuses_path("/restconf/datax", 404);
    refuses_path("/", 404);
    refuses_path("*", 404);
}

static void test_paths_are_bounded_and_well_formed(void **state)
{
    char longest[DATA_PATH_MAX + 2], deep[256] = "/restconf/data";

    (void)state;
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "/restconf/data/", 15);
    longest[DATA_PATH_MAX + 1] = '\0';
    refuses_path(longest, 414);
    longest[DATA_PATH_MAX] = '\0';
    refuses_path(longest, 400); /* no identifier has so many characters */
    for (unsigned i = 0; i <= DATA_STEPS_MAX; i++)
        memcpy(deep + 14 + 2 * i, "/a", 3);
    refuses_path(deep, 404);
    refuses_path("/restconf/data/a=1,2,3,4,5", 400);
    refuses_path("/restconf/data//a", 400);
    refuses_path("/restconf/data/1a", 400);
    refuses_path("/restconf/data/a:b:c", 400);
    refuses_path("/restconf/data/:b", 400);
    refuses_path("/restconf/data/a=%00", 400);
    refuses_path("/restconf/data/a=%zz", 400);
    refuses_path("/restconf/data/a=%2", 400);
    refuses_path("/restconf/data/a=%ff", 400);
}

static unsigned field(unsigned parent, const char *name, bool *all)
{
    return data_view_field(&query, parent, name, all);
}

static void test_rfc8040_4_8_3_fields(void **state)
{
    unsigned a, b;
    bool all;

    (void)state;
    assert_int_equal(data_query_parse("fields=a%2Fb(c;m:d(e);f);g;a/h", &query, &fault), 0);
    a = field(0, "a", &all);
    b = field(a, "b", &all);
    assert_true(a && b && !all);
    assert_true(field(b, "c", &all) && field(b, "d", &all) && field(b, "f", &all));
    assert_true(field(field(b, "d", &all), "e", &all));
    assert_true(field(0, "module:g", &all) && field(a, "h", &all));
    assert_int_equal(field(0, "b", &all), 0);
    assert_false(all);
    field(field(0, "g", &all), "anything", &all);
    assert_true(all);
}

static void test_rfc8040_4_8_bad_queries(void **state)
{
    const char *const bad[] = {"fields=",
                               "fields=a(",
                               "fields=a)",
                               "fields=a()",
                               "fields=a;",
                               "fields=;a",
                               "fields=a//b",
                               "fields=a(b)c",
                               "fields=a(b)(c)",
                               "fields=1",
                               "fields=:a",
                               "fields=a((b))",
                               "fields=a(b",
                               "fields=a&fields=b",
                               "content=",
                               "content=All",
                               "depth=0",
                               "depth=-1",
                               "depth=65536",
                               "depth=1x",
                               "insert=middle",
                               "insert=before",
                               "point=/a:b",
                               "insert=first&point=/a:b=1",
                               "insert=after&point=b",
                               "insert=after&point=/",
                               "with-defaults=trim",
                               "unknown=1",
                               "content",
                               "content=%00",
                               "content=%",
                               NULL};
    char many[DATA_PATH_MAX + 1] = "fields=a0";

    (void)state;
    for (const char *const *text = bad; *text; text++) {
        if (data_query_parse(*text, &query, &fault) == 0)
            fail_msg("taken: %s", *text);
        assert_int_equal(fault.status, 400);
    }
    for (unsigned i = 1; i < DATA_FIELDS_MAX; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), ";a%u", i);
    assert_int_equal(data_query_parse(many, &query, &fault), -1);
    assert_int_equal(data_query_parse("", &query, &fault), 0);
    assert_int_equal(data_query_parse(NULL, &query, &fault), 0);
}

static void test_rfc8040_4_8_6_point_is_a_path_in_a_value(void **state)
{
    (void)state;
    assert_int_equal(data_query_parse("insert=after&point=%2Fm%3Aa%2Fb%3Dx%252Fy", &query, &fault), 0);
    assert_int_equal(query.insert, CATALOG_AFTER);
    assert_int_equal(query.point.step_count, 2);
    assert_string_equal(query.point.steps[1].keys[0], "x/y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8040_3_5_3_steps_and_keys),
        cmocka_unit_test(test_rfc8040_3_1_roots),
        cmocka_unit_test(test_paths_are_bounded_and_well_formed),
        cmocka_unit_test(test_rfc8040_4_8_3_fields),
        cmocka_unit_test(test_rfc8040_4_8_bad_queries),
        cmocka_unit_test(test_rfc8040_4_8_6_point_is_a_path_in_a_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
