/* directory: creates what is missing and locks it with flock(2), which dies with its process. */
#include "gateway/store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* New entries must survive a power failure as the files do. Some file systems cannot: EINVAL. */
static int sync_entries(int directory)
{
    return fsync(directory) == 0 || errno == EINVAL ? 0 : -1;
}

static int sync_parent(int directory)
{
    int parent = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return errno == EACCES ? 0 : -1; /* we may use the directory without being allowed to read above it */
    int result = sync_entries(parent);
    close(parent);
    return result;
}

static int open_directory(const char *path, char *error, size_t error_size)
{
    int created = mkdir(path, 0700) == 0;
    if (!created && errno != EEXIST) {
        snprintf(error, error_size, "cannot create the state directory %s: %s", path, strerror(errno));
        return -1;
    }
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    if (directory < 0 || fstat(directory, &status) != 0 || (created && sync_parent(directory) != 0)) {
        snprintf(error, error_size, "cannot use the state directory %s: %s", path, strerror(errno));
        if (directory >= 0)
            close(directory);
        return -1;
    }
    if (status.st_mode & S_IWOTH) {
        snprintf(error, error_size, "the state directory %s can be written by everyone: chmod o-w %s", path, path);
        close(directory);
        return -1;
    }
    return directory;
}

/* Opens a file for us alone, also one that somebody made readable to others. */
static int open_private(int directory, const char *name)
{
    int file = openat(directory, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat status;
    if (file < 0)
        return -1;
    if (fstat(file, &status) == 0) {
        if (!S_ISREG(status.st_mode))
            errno = EINVAL;
        else if ((status.st_mode & 07777) == 0600 || fchmod(file, 0600) == 0)
            return file;
    }
    int saved = errno;
    close(file);
    errno = saved;
    return -1;
}

static void say_who_holds_it(int lock, const char *path, char *error, size_t error_size)
{
    char text[24] = "";
    ssize_t length = pread(lock, text, sizeof text - 1, 0);
    long pid = length > 0 ? strtol(text, NULL, 10) : 0;
    char who[48] = "another process";
    if (pid > 0)
        snprintf(who, sizeof who, "another process (pid %ld)", pid);
    snprintf(error, error_size, "the state directory %s is in use by %s: stop it, or set another gateway.state-dir",
             path, who);
}

/* The number is for people only, what counts is the lock: a full disk is no reason not to start. */
static void write_pid(int lock)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) != 0 || pwrite(lock, text, (size_t)length, 0) != length)
        return;
}

static int take_lock(int directory, const char *path, char *error, size_t error_size)
{
    int lock = open_private(directory, DIRECTORY_LOCK);
    if (lock < 0) {
        snprintf(error, error_size, "cannot open %s/%s: %s", path, DIRECTORY_LOCK, strerror(errno));
        return -1;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            say_who_holds_it(lock, path, error, error_size);
        else
            snprintf(error, error_size, "cannot lock %s/%s: %s", path, DIRECTORY_LOCK, strerror(errno));
        close(lock);
        return -1;
    }
    write_pid(lock);
    return lock;
}

int directory_claim(const char *path, char *error, size_t error_size)
{
    int directory = open_directory(path, error, error_size);
    if (directory < 0)
        return -1;
    int lock = take_lock(directory, path, error, error_size);
    if (lock >= 0) {
        int file = open_private(directory, DIRECTORY_DATABASE);
        if (file < 0 || sync_entries(directory) != 0) {
            snprintf(error, error_size, "cannot create %s/%s: %s", path, DIRECTORY_DATABASE, strerror(errno));
            close(lock);
            lock = -1;
        }
        if (file >= 0)
            close(file);
    }
    close(directory);
    return lock;
}
