/* features: what the libcoap that is linked can do. */

#include <coap3/coap.h>

#include "gateway/coap/coap.h"

void dots_features(struct dots_features *features)
{
    features->library = coap_package_version();
    features->sees_reset = LIBCOAP_VERSION >= 4003001U; /* resets.c says how */
#if LIBCOAP_VERSION >= 4003003U
    features->q_block = coap_q_block_is_supported() != 0;
#else
    features->q_block = false;
#endif
}
