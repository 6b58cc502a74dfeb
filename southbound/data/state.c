/* state: what RESTCONF tells about itself (RFC 8040 sections 3.1, 3.3, 3.7, 9), and the capabilities of RFC 8783. */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "southbound/data/data.h"

const char data_host_meta[] = "<?xml version='1.0' encoding='UTF-8'?>\n"
                              "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n"
                              "    <Link rel='restconf' href='" DATA_API_ROOT "'/>\n"
                              "</XRD>\n";

static const char library[] =
    "{\"module-set-id\":\"dotsgw-2026-11-23\",\"module\":["
    "{\"name\":\"ietf-dots-data-channel\",\"revision\":\"2020-05-28\","
    "\"namespace\":\"urn:ietf:params:xml:ns:yang:ietf-dots-data-channel\","
    "\"deviation\":[{\"name\":\"dotsgw-data-channel-deviations\",\"revision\":\"2026-11-23\"}],"
    "\"conformance-type\":\"implement\"},"
    "{\"name\":\"dotsgw-data-channel-deviations\",\"revision\":\"2026-11-23\","
    "\"namespace\":\"urn:dotsgw:yang:data-channel-deviations\",\"conformance-type\":\"implement\"},"
    "{\"name\":\"ietf-access-control-list\",\"revision\":\"2019-03-04\","
    "\"namespace\":\"urn:ietf:params:xml:ns:yang:ietf-access-control-list\",\"conformance-type\":\"import\"},"
    "{\"name\":\"ietf-packet-fields\",\"revision\":\"2019-03-04\","
    "\"namespace\":\"urn:ietf:params:xml:ns:yang:ietf-packet-fields\",\"conformance-type\":\"import\"},"
    "{\"name\":\"ietf-inet-types\",\"revision\":\"2013-07-15\","
    "\"namespace\":\"urn:ietf:params:xml:ns:yang:ietf-inet-types\",\"conformance-type\":\"import\"},"
    "{\"name\":\"ietf-yang-types\",\"revision\":\"2013-07-15\","
    "\"namespace\":\"urn:ietf:params:xml:ns:yang:ietf-yang-types\",\"conformance-type\":\"import\"},"
    "{\"name\":\"ietf-restconf\",\"revision\":\"2017-01-26\","
    "\"namespace\":\"urn:ietf:params:xml:ns:yang:ietf-restconf\",\"conformance-type\":\"implement\"},"
    "{\"name\":\"ietf-restconf-monitoring\",\"revision\":\"2017-01-26\","
    "\"namespace\":\"urn:ietf:params:xml:ns:yang:ietf-restconf-monitoring\",\"conformance-type\":\"implement\"},"
    "{\"name\":\"ietf-yang-library\",\"revision\":\"2016-06-21\","
    "\"namespace\":\"urn:ietf:params:xml:ns:yang:ietf-yang-library\",\"conformance-type\":\"implement\"}]}";

static const char monitoring[] = "{\"capabilities\":{\"capability\":["
                                 "\"urn:ietf:params:restconf:capability:defaults:1.0?basic-mode=explicit\","
                                 "\"urn:ietf:params:restconf:capability:depth:1.0\","
                                 "\"urn:ietf:params:restconf:capability:fields:1.0\","
                                 "\"urn:ietf:params:restconf:capability:with-defaults:1.0\"]}}";

/* Every field that the schema knows can be asked for: what filters is an upstream or a driver of a mitigator. */
static const char capabilities[] =
    "{\"address-family\":[\"ipv4\",\"ipv6\"],"
    "\"forwarding-actions\":[\"ietf-access-control-list:drop\",\"ietf-access-control-list:accept\"],"
    "\"rate-limit\":true,\"transport-protocols\":[1,6,17,58],"
    "\"ipv4\":{\"dscp\":true,\"ecn\":true,\"length\":true,\"ttl\":true,\"protocol\":true,\"ihl\":true,\"flags\":true,"
    "\"offset\":true,\"identification\":true,\"source-prefix\":true,\"destination-prefix\":true,\"fragment\":true},"
    "\"ipv6\":{\"dscp\":true,\"ecn\":true,\"length\":true,\"hoplimit\":true,\"protocol\":true,"
    "\"destination-prefix\":true,\"source-prefix\":true,\"flow-label\":true,\"fragment\":true},"
    "\"tcp\":{\"sequence-number\":true,\"acknowledgement-number\":true,\"data-offset\":true,\"reserved\":true,"
    "\"flags\":true,\"window-size\":true,\"urgent-pointer\":true,\"options\":true,\"flags-bitmask\":true,"
    "\"source-port\":true,\"destination-port\":true,\"port-range\":true},"
    "\"udp\":{\"length\":true,\"source-port\":true,\"destination-port\":true,\"port-range\":true},"
    "\"icmp\":{\"type\":true,\"code\":true,\"rest-of-header\":true}}";

json_t *data_capabilities(const struct data_server *server)
{
    const char *text = server->upstream && server->upstream->capabilities
                           ? server->upstream->capabilities(server->upstream->arg)
                           : NULL;

    return json_loads(text ? text : capabilities, 0, NULL);
}

json_t *data_state(const struct data_server *server, enum data_root root)
{
    switch (root) {
    case DATA_ROOT_API:
        return json_pack("{s:{s:{}, s:{}, s:s}}", "ietf-restconf:restconf", "data", "operations",
                         "yang-library-version", "2016-06-21");
    case DATA_ROOT_LIBRARY_VERSION:
        return json_pack("{s:s}", "ietf-restconf:yang-library-version", "2016-06-21");
    case DATA_ROOT_OPERATIONS:
        return json_pack("{s:{}}", "ietf-restconf:operations");
    case DATA_ROOT_DATASTORE:
        return json_pack("{s:o, s:o, s:{s:o}}", "ietf-yang-library:modules-state", json_loads(library, 0, NULL),
                         "ietf-restconf-monitoring:restconf-state", json_loads(monitoring, 0, NULL),
                         DATA_MODULE ":dots-data", "capabilities", data_capabilities(server));
    default:
        return NULL;
    }
}
