/* Replays inputs through a fuzz target without libFuzzer: each corpus is also a regression test. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (16u << 20) /* bytes; libFuzzer's own limit is far below */
#define PATH_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fail(const char *path, const char *what)
{
    fprintf(stderr, "replay: %s: %s\n", path, what);
    return -1;
}

/* The input gets a block of exactly its size, so that a read behind its end is seen. */
static int replay_file(const char *path, const struct stat *status, size_t *count)
{
    if (status->st_size > (off_t)INPUT_MAX)
        return fail(path, "too large for an input");
    size_t size = (size_t)status->st_size;
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail(path, strerror(errno));
    uint8_t *data = malloc(size ? size : 1);
    size_t length = data ? fread(data, 1, size, file) : 0;
    fclose(file);
    if (!data || length != size) {
        free(data);
        return fail(path, data ? "shorter than it was" : "out of memory");
    }
    fprintf(stderr, "replay: %s (%zu bytes)\n", path, size); /* the last line before a crash names the input */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    (*count)++;
    return 0;
}

/* A file, or a directory and what lies directly in it. */
static int replay(const char *path, bool descend, size_t *count)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return fail(path, strerror(errno));
    if (S_ISREG(status.st_mode))
        return replay_file(path, &status, count);
    if (!S_ISDIR(status.st_mode) || !descend)
        return fail(path, "neither a file nor a directory of files");
    DIR *directory = opendir(path);
    if (!directory)
        return fail(path, strerror(errno));
    int result = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        char inner[PATH_BYTES];
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= (int)sizeof inner)
            result = fail(path, "path too long");
        else if (replay(inner, false, count) != 0)
            result = -1;
    }
    closedir(directory);
    return result;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    int result = argc > 1 ? 0 : fail(argv[0], "give files or directories of inputs");
    for (int i = 1; i < argc; i++) {
        if (replay(argv[i], true, &count) != 0)
            result = -1;
    }
    printf("%zu inputs replayed\n", count);
    return result == 0 && count > 0 ? 0 : 1;
}
