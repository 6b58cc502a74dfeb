/* versions: what this build is made of and can do. */

#include "gateway/versions.h"

#include <cbor.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <uv.h>

#include "gateway/coap/coap.h"
#include "gateway/http/http.h"
#include "gateway/yang/yang.h"
#include "northbound/data/northbound_data.h"

void versions_print(FILE *out)
{
    struct dots_features features;

    dots_features(&features);
    fprintf(out, "dotsgw %s\n", DOTSGW_VERSION);
    fprintf(out, "  libuv    %s\n", uv_version_string());
    fprintf(out, "  libcoap  %s\n", features.library);
    fprintf(out, "  OpenSSL  %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    fprintf(out, "  libcurl  %s\n", northbound_data_versions());
    fprintf(out, "  HTTP     %s\n", http_versions());
    fprintf(out, "  YANG     %s\n", yang_version());
    fprintf(out, "  libcbor  %d.%d.%d\n", CBOR_MAJOR_VERSION, CBOR_MINOR_VERSION, CBOR_PATCH_VERSION);
    fprintf(out, "  SQLite   %s\n", sqlite3_libversion());
    fprintf(out, "  Reset of a notification is seen (RFC 7641 section 3.6): %s\n",
            features.sees_reset ? "yes" : "no, libcoap 4.3.2 or later is needed");
    fprintf(out, "  Q-Block (RFC 9177): %s\n",
            features.q_block ? "in libcoap, not used by this version" : "no, libcoap 4.3.3 or later is needed");
    fprintf(out, "  raw public keys (RFC 7250): no, this version uses certificates and PSK\n");
}
