/* host_meta: one walk over the document by expat, which is stopped at whatever an XRD has no need of. */
#include "northbound/data/host_meta.h"

#include <expat.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define XRD "http://docs.oasis-open.org/ns/xri/xrd-1.0"
#define SEPARATOR "\n" /* between namespace and name: neither has one */
#define DEPTH_MAX 8u

struct walk {
    XML_Parser parser;
    unsigned depth, links;
    bool is_xrd;
    const char *fault;
    char href[2 * HOST_META_ROOT_MAX]; /* of the first link */
};

static void stop(struct walk *walk, const char *fault)
{
    walk->fault = fault;
    XML_StopParser(walk->parser, XML_FALSE);
}

/* RFC 6415 section 3.1.1: rel values are compared as in links, which is without case. */
static void link_found(struct walk *walk, const char **attributes)
{
    const char *rel = NULL, *href = NULL;

    for (; attributes[0]; attributes += 2) {
        if (strcmp(attributes[0], "rel") == 0)
            rel = attributes[1];
        else if (strcmp(attributes[0], "href") == 0)
            href = attributes[1];
    }
    if (!rel || strcasecmp(rel, "restconf") != 0)
        return;
    if (++walk->links > 1)
        stop(walk, "it has more than one restconf link");
    else if (!href || strlen(href) >= sizeof(walk->href))
        stop(walk, href ? "the href of its restconf link is too long" : "its restconf link has no href");
    else
        memcpy(walk->href, href, strlen(href) + 1);
}

static void XMLCALL started(void *arg, const char *name, const char **attributes)
{
    struct walk *walk = arg;

    if (++walk->depth > DEPTH_MAX)
        stop(walk, "its elements are nested too deep");
    else if (walk->depth == 1)
        walk->is_xrd = strcmp(name, XRD SEPARATOR "XRD") == 0;
    else if (walk->depth == 2 && strcmp(name, XRD SEPARATOR "Link") == 0)
        link_found(walk, attributes);
}

static void XMLCALL ended(void *arg, const char *name)
{
    struct walk *walk = arg;

    (void)name;
    walk->depth--;
}

/* Entities are declared there: an XRD needs none, an attack does. */
static void XMLCALL doctype(void *arg, const char *name, const char *system, const char *public, int subset)
{
    (void)name, (void)system, (void)public, (void)subset;
    stop(arg, "it has a DOCTYPE");
}

static int document_read(struct walk *walk, const char *document, size_t length, char *error, size_t error_size)
{
    XML_Parser parser = XML_ParserCreateNS(NULL, SEPARATOR[0]);
    enum XML_Status status;

    if (!parser) {
        snprintf(error, error_size, "host-meta: out of memory");
        return -1;
    }
    walk->parser = parser;
    XML_SetUserData(parser, walk);
    XML_SetElementHandler(parser, started, ended);
    XML_SetStartDoctypeDeclHandler(parser, doctype);
    status = XML_Parse(parser, document, (int)length, 1);
    if (status != XML_STATUS_OK && !walk->fault)
        snprintf(error, error_size, "host-meta is no XML: %s", XML_ErrorString(XML_GetErrorCode(parser)));
    else if (walk->fault)
        snprintf(error, error_size, "host-meta: %s", walk->fault);
    XML_ParserFree(parser);
    return status == XML_STATUS_OK && !walk->fault ? 0 : -1;
}

/* The path of an absolute URI of this very origin, or NULL. */
static const char *path_of(const char *uri, const char *host, unsigned port)
{
    char origin[300];
    size_t length;

    for (int with_port = 0; with_port < (port == 443 ? 2 : 1); with_port++) {
        length = (size_t)snprintf(origin, sizeof(origin), with_port ? "https://%s" : "https://%s:%u", host, port);
        if (length < sizeof(origin) && strncasecmp(uri, origin, length) == 0 &&
            (uri[length] == '/' || uri[length] == '\0'))
            return uri + length;
    }
    return NULL;
}

/* A path and nothing else; dots would be resolved by who reads the URI next. */
static bool is_plain(const char *path)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@%/";

    return path[strspn(path, allowed)] == '\0' && !strstr(path, "//") && !strstr(path, "/.");
}

int host_meta_root(const char *document, size_t length, const char *host, unsigned port,
                   char root[HOST_META_ROOT_MAX + 1], char *error, size_t error_size)
{
    struct walk walk = {0};
    const char *path;
    size_t end;

    if (length > HOST_META_MAX) {
        snprintf(error, error_size, "host-meta is longer than %u bytes", HOST_META_MAX);
        return -1;
    }
    if (document_read(&walk, document, length, error, error_size) != 0)
        return -1;
    if (!walk.is_xrd || walk.links == 0) {
        snprintf(error, error_size, "host-meta %s", walk.is_xrd ? "has no restconf link" : "is not an XRD document");
        return -1;
    }
    path = walk.href[0] == '/' ? walk.href : path_of(walk.href, host, port);
    end = path ? strlen(path) : 0;
    while (end > 0 && path[end - 1] == '/')
        end--;
    if (!path || end > HOST_META_ROOT_MAX || !is_plain(path)) {
        snprintf(error, error_size, "host-meta: its restconf link is not a path at https://%s:%u", host, port);
        return -1;
    }
    memcpy(root, path, end);
    root[end] = '\0';
    return 0;
}
