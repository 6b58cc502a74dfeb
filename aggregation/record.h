/*
 * record: mitigations, installs, counters and bindings as the store keeps them: one CBOR array each,
 * a version first. The scope of a mitigation stands in it as on the wire.
 */
#pragma once

#include "gateway/wire/wire.h"

#define RECORD_MAX (WIRE_BODY_MAX + 4096u)
#define RECORD_VERSION 1
