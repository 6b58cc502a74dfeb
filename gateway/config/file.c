/* file: paths, readable files, programs, and secrets that lie in files. */
#include "gateway/config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/config/psk.h"
#include "gateway/config/schema.h"

#define OPEN_SECRETS_NAMED 10u /* with 100,000 key files one mistake would be as many lines */

static int file_open(const char *path, struct stat *status, char *reason, size_t size)
{
    /* O_NONBLOCK: a pipe without a writer must not hold up a reload. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, status) != 0) {
        snprintf(reason, size, "cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(status->st_mode)) {
        snprintf(reason, size, "is not a regular file");
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads up to room bytes; 0, or -1 with errno. A file that shrank meanwhile is what it is now. */
static int read_whole(int fd, struct config_bytes *out, size_t room)
{
    ssize_t got = 1;

    while (got > 0 && out->length < room) {
        got = read(fd, out->at + out->length, room - out->length);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            out->length += (size_t)got;
    }
    out->at[out->length] = 0;
    return got < 0 ? -1 : 0;
}

int config_file_read(const char *path, size_t max, struct config_bytes *out, char *reason, size_t size)
{
    struct stat status;
    size_t room;
    int fd = file_open(path, &status, reason, size);

    *out = (struct config_bytes){0};
    if (fd < 0)
        return -1;
    room = status.st_size > 0 ? (size_t)status.st_size : 0;
    if (room > max) {
        close(fd);
        snprintf(reason, size, "has %zu bytes; at most %zu are read", room, max);
        return -1;
    }
    out->at = malloc(room + 1);
    if (!out->at || read_whole(fd, out, room) != 0) {
        snprintf(reason, size, "cannot be read: %s", strerror(out->at ? errno : ENOMEM));
        config_bytes_free(out);
    }
    close(fd);
    return out->at ? 0 : -1;
}

void config_bytes_free(struct config_bytes *bytes)
{
    if (bytes->at)
        OPENSSL_cleanse(bytes->at, bytes->length);
    free(bytes->at);
    *bytes = (struct config_bytes){0};
}

void config_warn_open(struct loader *loader, const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0 || !(status.st_mode & 077))
        return;
    if (++loader->open_secrets <= OPEN_SECRETS_NAMED)
        log_warning("config-secret-open",
                    "%s holds a secret but its mode is %04o: others than its owner may use it; chmod 600", path,
                    (unsigned)status.st_mode & 07777);
}

char *config_path(struct loader *loader, const struct config_key *key, const struct node *node)
{
    const char *text = config_scalar(loader, key, node), *directory;
    size_t most = key->max ? key->max : PATH_MAX - 1, length;
    char *path;

    if (!text)
        return NULL;
    directory = text[0] == '/' ? "" : loader->directory;
    length = strlen(directory) + (*directory ? 1 : 0) + strlen(text);
    if (text[0] == 0) {
        config_expected(loader, key, node);
        return NULL;
    }
    if (length > most) {
        config_fault(loader, node, "%s: the path has %zu bytes, at most %zu are possible", key->name, length, most);
        return NULL;
    }
    path = malloc(length + 1);
    if (path)
        snprintf(path, length + 1, "%s%s%s", directory, *directory ? "/" : "", text);
    else
        config_fault(loader, node, "%s: out of memory", key->name);
    return path;
}

static int path_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    *(char **)field = config_path(loader, key, node);
    return *(char **)field ? 0 : -1;
}

static void path_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "path");
}

const struct config_type config_type_path = {
    .decode = path_decode, .release = config_text_release, .describe = path_describe};

static int readable_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    char reason[160];
    struct stat status;
    int fd;

    if (path_decode(loader, key, node, field) != 0)
        return -1;
    if (!loader->read_files)
        return 0;
    fd = file_open(*(char **)field, &status, reason, sizeof(reason));
    if (fd < 0)
        return config_fault(loader, node, "%s: %s %s", key->name, *(char **)field, reason);
    close(fd);
    return 0;
}

static void readable_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "path of a file");
}

const struct config_type config_type_file = {
    .decode = readable_decode, .release = config_text_release, .describe = readable_describe};

static int program_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    struct stat status;

    if (path_decode(loader, key, node, field) != 0)
        return -1;
    if (!loader->read_files)
        return 0;
    if (stat(*(char **)field, &status) != 0)
        return config_fault(loader, node, "%s: %s: %s", key->name, *(char **)field, strerror(errno));
    if (!S_ISREG(status.st_mode) || access(*(char **)field, X_OK) != 0)
        return config_fault(loader, node, "%s: %s is not a program that may be run; chmod +x it", key->name,
                            *(char **)field);
    return 0;
}

static void program_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "path of a program");
}

const struct config_type config_type_program = {
    .decode = program_decode, .release = config_text_release, .describe = program_describe};

int config_secret_read(struct loader *loader, const struct config_key *key, const struct node *node, size_t max,
                       config_secret_parse_h parse, struct config_bytes *field)
{
    struct config_bytes content = {0};
    char reason[192], *path = config_path(loader, key, node);
    int result = path ? 0 : -1;

    if (path && loader->read_files) {
        result = config_file_read(path, max, &content, reason, sizeof(reason));
        if (result == 0)
            result = parse((const char *)content.at, content.length, field, reason, sizeof(reason));
        if (result == 0)
            config_warn_open(loader, path);
        else
            config_fault(loader, node, "%s: %s %s", key->name, path, reason);
    }
    config_bytes_free(&content);
    free(path);
    return result;
}

void config_bytes_release(const struct config_key *key, void *field)
{
    (void)key;
    config_bytes_free(field);
}

static int secret_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    return config_secret_read(loader, key, node, PSK_FILE_MAX, config_psk_parse, field);
}

static void secret_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "path of a PSK key file");
}

const struct config_type config_type_secret = {
    .decode = secret_decode, .release = config_bytes_release, .describe = secret_describe};
