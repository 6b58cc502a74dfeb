/* filter: libseccomp builds it; what it refuses comes back as SIGSYS, in the thread that made the call. */
#include "gateway/service/filter.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/service/calls.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* linux/prctl.h; the C library names its memory with it */
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED false
#endif

#define CALLS_MAX 1024 /* numbers above this share the last place */

struct filter {
    uv_async_t refused;
};

static atomic_bool refused_calls[CALLS_MAX];
static uv_async_t *_Atomic reporter;

/* ---- A refused call ---- */

/* The call that was interrupted returns -ENOSYS. false: here it cannot be made to. */
static bool answer_enosys(ucontext_t *context)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
    return true;
#elif defined(__aarch64__)
    context->uc_mcontext.regs[0] = (unsigned long long)-ENOSYS;
    return true;
#elif defined(__riscv) && __riscv_xlen == 64
    context->uc_mcontext.__gregs[10] = (unsigned long)-ENOSYS;
    return true;
#else
    (void)context;
    return false;
#endif
}

/* May have interrupted anything: marks, wakes the loop, and that is all. */
static void call_refused(int number, siginfo_t *info, void *context)
{
    int call = info->si_syscall;
    uv_async_t *async = atomic_load(&reporter);
    (void)number;
    if (!answer_enosys(context))
        abort();
    if (!atomic_exchange(&refused_calls[call >= 0 && call < CALLS_MAX ? call : CALLS_MAX - 1], true) && async)
        uv_async_send(async);
}

static void report(uv_async_t *async)
{
    static bool reported[CALLS_MAX];
    (void)async;
    for (int call = 0; call < CALLS_MAX; call++) {
        if (!atomic_load(&refused_calls[call]) || reported[call])
            continue;
        reported[call] = true;
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
        log_error("seccomp-refused",
                  "the system call %s (%d) is not one that dotsgw should make, and failed: please report this; "
                  "gateway.seccomp: false does without the filter",
                  name ? name : "?", call);
        free(name);
    }
}

/* ---- The filter ---- */

/* A name that libseccomp or this architecture does not have is no fault. */
static int add(scmp_filter_ctx context, uint32_t action, const char *name)
{
    int call = seccomp_syscall_resolve_name(name);
    int result = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(context, action, call, 0);
    return result == -EEXIST ? 0 : result;
}

static int add_all(scmp_filter_ctx context, uint32_t action, const char *const *names)
{
    int result = 0;
    for (; *names && result == 0; names++)
        result = add(context, action, *names);
    return result;
}

/* Allows a call when the masked argument is one of the values. */
static int allow_values(scmp_filter_ctx context, int call, unsigned argument, scmp_datum_t mask,
                        const scmp_datum_t *values, size_t count)
{
    int result = 0;
    for (size_t i = 0; i < count && (result == 0 || result == -EEXIST); i++) {
        const struct scmp_arg_cmp is = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, values[i]);
        result = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, call, 1, &is);
    }
    return result == -EEXIST ? 0 : result;
}

#define ALLOW(context, call, argument, mask, values) \
    allow_values(context, SCMP_SYS(call), argument, mask, values, sizeof(values) / sizeof((values)[0]))

/* Memory that can be written is never run. */
static int fill_memory(scmp_filter_ctx context)
{
    static const scmp_datum_t protections[] = {0, PROT_WRITE, PROT_EXEC};
    const scmp_datum_t mask = PROT_WRITE | PROT_EXEC;
    int result = ALLOW(context, mmap, 2, mask, protections);
    if (result == 0)
        result = ALLOW(context, mmap2, 2, mask, protections);
    return result == 0 ? ALLOW(context, mprotect, 2, mask, protections) : result;
}

static int fill_descriptors(scmp_filter_ctx context)
{
    static const scmp_datum_t families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}; /* the last for getaddrinfo() */
    static const scmp_datum_t requests[] = {FIONBIO,      FIOCLEX,     FIONCLEX,    FIONREAD,
                                            TCGETS,       TIOCGWINSZ,  SIOCOUTQ,    SIOCGIFADDR,
                                            SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS};
    int result = ALLOW(context, socket, 0, UINT32_MAX, families);
    return result == 0 ? ALLOW(context, ioctl, 1, UINT32_MAX, requests) : result;
}

/* Threads, but no processes; signals to ourselves, as abort() sends. */
static int fill_threads(scmp_filter_ctx context)
{
    static const scmp_datum_t thread[] = {CLONE_THREAD};
    static const scmp_datum_t names[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA};
    const scmp_datum_t ourselves[] = {(scmp_datum_t)getpid()};
    int result = ALLOW(context, clone, 0, CLONE_THREAD, thread);
    if (result == 0)
        result = seccomp_rule_add(context, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    if (result == 0) /* its flags lie in memory, where a filter cannot look: the C library then takes clone */
        result = seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (result == 0)
        result = ALLOW(context, prctl, 0, UINT32_MAX, names);
    if (result == 0)
        result = ALLOW(context, kill, 0, UINT32_MAX, ourselves);
    return result == 0 ? ALLOW(context, tgkill, 0, UINT32_MAX, ourselves) : result;
}

static int fill(scmp_filter_ctx context)
{
    int result = seccomp_attr_set(context, SCMP_FLTATR_CTL_TSYNC, 1);
    if (result == 0)
        result = add_all(context, SCMP_ACT_ALLOW, calls_allowed);
    if (result == 0)
        result = add_all(context, SCMP_ACT_KILL_PROCESS, calls_deadly);
    if (result == 0)
        result = fill_memory(context);
    if (result == 0)
        result = fill_descriptors(context);
    return result == 0 ? fill_threads(context) : result;
}

static int fill_rings(scmp_filter_ctx context)
{
    return seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
}

static int load(uint32_t otherwise, int (*rules)(scmp_filter_ctx context))
{
    scmp_filter_ctx context = seccomp_init(otherwise);
    int result = context ? rules(context) : -ENOMEM;
    if (result == 0)
        result = seccomp_load(context);
    if (context)
        seccomp_release(context);
    return result;
}

void filter_refuse_rings(void)
{
    if (!SANITIZED)
        load(SCMP_ACT_ALLOW, fill_rings);
}

struct filter *filter_apply(uv_loop_t *loop, char *error, size_t error_size)
{
    const struct sigaction action = {.sa_sigaction = call_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct filter *filter = SANITIZED ? NULL : calloc(1, sizeof *filter);
    int result;
    error[0] = '\0';
    if (SANITIZED)
        return NULL;
    result = filter ? uv_async_init(loop, &filter->refused, report) : -ENOMEM;
    if (result == 0) {
        uv_unref((uv_handle_t *)&filter->refused);
        filter->refused.data = filter;
        atomic_store(&reporter, &filter->refused);
        result = sigaction(SIGSYS, &action, NULL) == 0 ? load(SCMP_ACT_TRAP, fill) : -errno;
        if (result == 0)
            return filter;
        filter_close(filter);
    } else {
        free(filter);
    }
    snprintf(error, error_size, "the filter of system calls cannot be set: %s; gateway.seccomp: false does without it",
             strerror(-result));
    return NULL;
}

static void async_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void filter_close(struct filter *filter)
{
    if (!filter)
        return;
    atomic_store(&reporter, NULL);
    uv_close((uv_handle_t *)&filter->refused, async_closed);
}
