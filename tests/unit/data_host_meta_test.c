/* host_meta: where RESTCONF is at a server (RFC 8040 section 3.1). */
/* links: northbound_data */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "northbound/data/host_meta.h"

#define XRD(LINKS) "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>" LINKS "</XRD>"
#define LINK(HREF) "<Link rel='restconf' href='" HREF "'/>"

static char root[HOST_META_ROOT_MAX + 1], error[256];

static int read_document(const char *document)
{
    return host_meta_root(document, strlen(document), "dots1.example.net", 443, root, error, sizeof(error));
}

static void accepts(const char *document, const char *expected)
{
    if (read_document(document) != 0)
        fail_msg("%s: %s", document, error);
    assert_string_equal(root, expected);
}

static void refuses(const char *document, const char *why)
{
    if (read_document(document) == 0)
        fail_msg("%s: accepted as %s", document, root);
    if (!strstr(error, why))
        fail_msg("%s: '%s' does not say '%s'", document, error, why);
}

static void test_rfc8040_3_1_must_determine_the_root(void **state)
{
    (void)state;
    accepts(XRD(LINK("/restconf")), "/restconf");
    accepts(XRD(LINK("/top/restconf/")), "/top/restconf");
    accepts(
        "<?xml version='1.0' encoding='UTF-8'?>\n" XRD("<Subject>x</Subject><Link rel='lrdd' href='/l'/>" LINK("/r")),
        "/r");
    accepts("<x:XRD xmlns:x='http://docs.oasis-open.org/ns/xri/xrd-1.0'><x:Link href='/r' rel='RESTCONF'/></x:XRD>",
            "/r");
    accepts(XRD(LINK("/")), "");
    accepts(XRD(LINK("https://dots1.example.net/restconf")), "/restconf");
    accepts(XRD(LINK("https://DOTS1.example.net:443/restconf")), "/restconf");
}

static void test_rfc8040_3_1_must_be_exactly_one_restconf_link(void **state)
{
    (void)state;
    refuses(XRD(""), "no restconf link");
    refuses(XRD("<Link rel='lrdd' href='/l'/>"), "no restconf link");
    refuses(XRD(LINK("/a") LINK("/b")), "more than one");
    refuses(XRD("<Link rel='restconf'/>"), "no href");
}

/* A link elsewhere would send credentials and requests to who is not the server that was configured. */
static void test_links_to_elsewhere_are_refused(void **state)
{
    (void)state;
    refuses(XRD(LINK("https://evil.example/restconf")), "not a path");
    refuses(XRD(LINK("https://dots1.example.net:8443/restconf")), "not a path");
    refuses(XRD(LINK("https://dots1.example.net.evil.example/restconf")), "not a path");
    refuses(XRD(LINK("http://dots1.example.net/restconf")), "not a path");
    refuses(XRD(LINK("//evil.example/restconf")), "not a path");
    refuses(XRD(LINK("/../x")), "not a path");
    refuses(XRD(LINK("/a/./b")), "not a path");
    refuses(XRD(LINK("/a?b")), "not a path");
    refuses(XRD(LINK("/a b")), "not a path");
    refuses(XRD(LINK("/a&#10;Host: x")), "not a path");
    refuses(XRD(LINK("restconf")), "not a path");
    refuses(XRD(LINK("")), "not a path");
}

static void test_other_documents_are_refused(void **state)
{
    (void)state;
    refuses("", "no XML");
    refuses("{\"links\":[]}", "no XML");
    refuses("<html/>", "not an XRD");
    refuses("<XRD>" LINK("/r") "</XRD>", "not an XRD");
    refuses(XRD("<Link rel='restconf' href='/r'>"), "no XML");
    refuses("<!DOCTYPE XRD [<!ENTITY a 'b'>]>" XRD(LINK("/&a;")), "DOCTYPE");
    refuses("<!DOCTYPE XRD SYSTEM 'file:///etc/passwd'>" XRD(LINK("/r")), "DOCTYPE");
    refuses(XRD("<a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a>"), "too deep");
}

static void test_documents_are_bounded(void **state)
{
    size_t length = HOST_META_MAX + 1;
    char *document = malloc(length), href[600] = "";

    (void)state;
    memset(document, ' ', length);
    assert_int_equal(host_meta_root(document, length, "h", 443, root, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "longer"));
    free(document);
    memset(href, 'a', sizeof(href) - 1);
    document = malloc(1024);
    snprintf(document, 1024, XRD("<Link rel='restconf' href='/%s'/>"), href);
    refuses(document, "too long");
    snprintf(document, 1024, XRD("<Link rel='restconf' href='/%.*s'/>"), (int)HOST_META_ROOT_MAX, href);
    refuses(document, "not a path");
    snprintf(document, 1024, XRD("<Link rel='restconf' href='/%.*s'/>"), (int)HOST_META_ROOT_MAX - 1, href);
    assert_int_equal(read_document(document), 0);
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8040_3_1_must_determine_the_root),
        cmocka_unit_test(test_rfc8040_3_1_must_be_exactly_one_restconf_link),
        cmocka_unit_test(test_links_to_elsewhere_are_refused),
        cmocka_unit_test(test_other_documents_are_refused),
        cmocka_unit_test(test_documents_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
