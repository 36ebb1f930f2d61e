/* SPDX-License-Identifier: 0BSD */
/* faults.c - a disk that fails, for the tests: preloaded into a program.
 *
 * FAULT=5 the fifth call on the disk meets the fault, FAULT=5+ every fifth; the
 * fault is FAULT_ERRNO, or without one the program's end, kill -9, before that
 * call does anything. A disk that is full (ENOSPC) takes half of what is written
 * before it says so. SYNC_MS=5 makes it a disk that takes so long for a sync.
 *
 *     cc -shared -fPIC test/preload/faults.c -o faults.so
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Is it this call's turn? */
static bool fault(const char *call)
{
    static _Atomic long calls;
    const char *when = getenv("FAULT"), *error = getenv("FAULT_ERRNO");
    long n = ++calls, at = when == NULL ? 0 : atol(when);

    if (at == 0 || (strchr(when, '+') != NULL ? n % at : n - at) != 0)
        return false;
    dprintf(STDERR_FILENO, "fault in %s, call %ld\n", call, n);
    if (error == NULL)
        raise(SIGKILL);
    errno = atoi(error);
    return true;
}

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

int openat(int dir, const char *name, int flags, ...)
{
    /* A mode is always given; to read is no fault of the disk here. */
    if ((flags & O_CREAT) && fault("openat"))
        return -1;
    return REAL(openat)(dir, name, flags, 0600);
}

ssize_t writev(int fd, const struct iovec *part, int n)
{
    if (!fault("writev"))
        return REAL(writev)(fd, part, n);
    return errno == ENOSPC ? REAL(writev)(fd, part, n / 2) : -1;
}

static void take_time(void)
{
    const char *ms = getenv("SYNC_MS");

    usleep(ms == NULL ? 0 : (useconds_t) atoi(ms) * 1000);
}

int syncfs(int fd)
{
    take_time();
    return fault("syncfs") ? -1 : REAL(syncfs)(fd);
}

int fsync(int fd)
{
    take_time();
    return fault("fsync") ? -1 : REAL(fsync)(fd);
}

int renameat(int dir, const char *from, int to_dir, const char *to)
{
    return fault("renameat") ? -1 : REAL(renameat)(dir, from, to_dir, to);
}

int unlinkat(int dir, const char *name, int flags)
{
    return fault("unlinkat") ? -1 : REAL(unlinkat)(dir, name, flags);
}
