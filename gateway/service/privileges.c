/* privileges: user, groups and capabilities by libcap-ng. */
#include "gateway/service/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SELECT_OWN ((capng_select_t)(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT))

static int set_user(const char *user, char *error, size_t error_size)
{
    const struct passwd *entry;
    errno = 0;
    entry = getpwnam(user);
    if (!entry) {
        snprintf(error, error_size,
                 "gateway.user: there is no user %s here%s%s; make one (adduser --system --group %s)", user,
                 errno ? ": " : "", errno ? strerror(errno) : "", user);
        return -1;
    }
    if (geteuid() == entry->pw_uid && getegid() == entry->pw_gid)
        return 0;
    if (initgroups(user, entry->pw_gid) == 0 && setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) == 0 &&
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) == 0)
        return 0;
    snprintf(error, error_size, "gateway.user: cannot become %s: %s; start dotsgw as root or as %s", user,
             strerror(errno), user);
    return -1;
}

static int refused(int result, char *error, size_t error_size)
{
    snprintf(error, error_size, "capabilities cannot be given up: %s (libcap-ng: %d)", strerror(errno), result);
    return -1;
}

/* Only who has CAP_SETPCAP may change the bounding set, and for others it gives nothing to lose. */
static int bound(bool bind)
{
    if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 1)
        return 0;
    capng_clear(CAPNG_SELECT_BOUNDS);
    if (bind)
        capng_update(CAPNG_ADD, CAPNG_BOUNDING_SET, CAP_NET_BIND_SERVICE);
    return capng_apply(CAPNG_SELECT_BOUNDS);
}

static int keep(bool bind)
{
    capng_clear(SELECT_OWN);
    if (bind)
        capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_NET_BIND_SERVICE);
    return capng_apply(SELECT_OWN);
}

int privileges_drop(const char *user, char *error, size_t error_size)
{
    int result = capng_get_caps_process();
    bool bind = result == 0 && capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE) == 1;
    if (result == 0)
        result = bound(bind);
    if (result != 0)
        return refused(result, error, error_size);
    /* What is permitted outlives the change of the user, and nothing else. */
    prctl(PR_SET_KEEPCAPS, 1);
    if (user && set_user(user, error, error_size) != 0)
        return -1;
    result = keep(bind);
    prctl(PR_SET_KEEPCAPS, 0);
    return result == 0 ? 0 : refused(result, error, error_size);
}

int privileges_drop_all(const char *user, char *error, size_t error_size)
{
    int result;
    if (user && set_user(user, error, error_size) != 0)
        return -1;
    result = capng_get_caps_process();
    if (result == 0)
        result = keep(false);
    return result == 0 ? 0 : refused(result, error, error_size);
}
