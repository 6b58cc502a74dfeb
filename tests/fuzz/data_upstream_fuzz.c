/* What an upstream of the data channel answers: host-meta, listings, refusals, capabilities. The first byte says which.
 */
/* links: northbound_data */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/data/canonical.h"
#include "northbound/data/capabilities.h"
#include "northbound/data/host_meta.h"
#include "northbound/data/listing.h"
#include "northbound/data/refusal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_host_meta(const char *body, size_t length)
{
    char root[HOST_META_ROOT_MAX + 1], error[256] = "";

    if (host_meta_root(body, length, "dots1.example.net", 443, root, error, sizeof(error)) != 0) {
        if (!error[0])
            abort();
    } else if (root[0] && (root[0] != '/' || root[strlen(root) - 1] == '/' || strpbrk(root, "?# \r\n"))) {
        abort();
    }
}

/* Canonical text is canonical: read again it stays as it is. */
static void check_entry(const struct repair_entry *entry)
{
    json_t *read = json_loads(entry->content, 0, NULL);
    char *again = read ? canonical_text(read) : NULL;

    /* "name" is left out at the top, and so is what is empty. */
    if (!again || strcmp(again, entry->content) != 0)
        abort();
    free(again);
    json_decref(read);
}

static void read_listing(const char *body, size_t length)
{
    struct data_listing listing;
    char error[160] = "";

    if (data_listing_read(body, length, &listing, error, sizeof(error)) != 0 && !error[0])
        abort();
    for (size_t i = 0; i < listing.count; i++)
        check_entry(&listing.entries[i]);
    data_listing_free(&listing);
}

static const char *entry_name(void *arg, const char *token)
{
    (void)arg;
    return token[0] == 'c' ? "a-longer-name-than-it-was" : NULL;
}

static void read_refusal(int status, const char *body, size_t length)
{
    const struct refusal_terms terms = {.entry_name = entry_name, .upstream_cuid = "gw", .cuid = "client"};
    struct refusal refusal;

    refusal_translate(&terms, status, 0, body, length, &refusal);
    if (refusal.status < 400 || refusal.status > 508 || !refusal.tag || !refusal.message[0])
        abort();
}

static void read_capabilities(const char *body, size_t length)
{
    json_t *read = capabilities_read(body, length), *common;

    if (!read)
        return;
    common = capabilities_common(read, read);
    json_decref(common);
    json_decref(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = (const char *)data + 1;

    if (size == 0)
        return 0;
    if (data[0] == 'h')
        read_host_meta(body, size - 1);
    else if (data[0] == 'l')
        read_listing(body, size - 1);
    else if (data[0] == 'c')
        read_capabilities(body, size - 1);
    else
        read_refusal(300 + data[0], body, size - 1);
    return 0;
}
