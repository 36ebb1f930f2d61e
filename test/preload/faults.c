/* SPDX-License-Identifier: 0BSD */
/* faults.c - a disk that fails, for the tests: preloaded into a program.
 *
 * FAULT=5 the fifth call on the disk fails, FAULT=5+ every fifth; of the calls
 * that FAULT_CALLS=pread,fsync names. It fails with FAULT_ERRNO or, without one,
 * the program ends as by kill -9 before the call does anything. A disk that is
 * full (ENOSPC) writes half of the data first. SYNC_MS=5 makes each sync take 5
 * ms more.
 *
 *     cc -shared -fPIC test/preload/faults.c -o faults.so
 *
 * A program that is built for large files calls pread64() and so on.
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
#include <sys/stat.h>
#include <unistd.h>

/* True if it is the turn of this call to fail. */
static bool fault(const char *call)
{
    static _Atomic long calls;
    const char *when = getenv("FAULT"), *error = getenv("FAULT_ERRNO");
    const char *calls_to_fail = getenv("FAULT_CALLS");
    const char *found = strstr(calls_to_fail ? calls_to_fail : "", call);
    long n, at = when == NULL ? 0 : atol(when);

    if (at == 0 || found == NULL)
        return false;
    n = ++calls;
    if (strchr(when, '+') != NULL ? n % at : n - at)
        return false;
    dprintf(STDERR_FILENO, "fault in %s, call %ld\n", call, n);
    if (error == NULL)
        raise(SIGKILL);
    errno = atoi(error);
    return true;
}

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static void take_time(void)
{
    const char *ms = getenv("SYNC_MS");

    usleep(ms == NULL ? 0 : (useconds_t) atoi(ms) * 1000);
}

/* A mode is always given; it is ignored without O_CREAT. */
#define FAULTY_OPENAT(name)                                                    \
    int name(int dir, const char *path, int flags, ...)                        \
    {                                                                          \
        return fault("openat") ? -1 : REAL(name)(dir, path, flags, 0600);      \
    }
FAULTY_OPENAT(openat)

#define FAULTY_PREAD(name, offset)                                             \
    ssize_t name(int fd, void *data, size_t size, offset at)                   \
    {                                                                          \
        return fault("pread") ? -1 : REAL(name)(fd, data, size, at);           \
    }
FAULTY_PREAD(pread, off_t)

#define FAULTY_PWRITE(name, offset)                                            \
    ssize_t name(int fd, const void *data, size_t size, offset at)             \
    {                                                                          \
        if (!fault("pwrite"))                                                  \
            return REAL(name)(fd, data, size, at);                             \
        return errno == ENOSPC ? REAL(name)(fd, data, size / 2, at) : -1;      \
    }
FAULTY_PWRITE(pwrite, off_t)

#define FAULTY_FTRUNCATE(name, offset)                                         \
    int name(int fd, offset size)                                              \
    {                                                                          \
        return fault("ftruncate") ? -1 : REAL(name)(fd, size);                 \
    }
FAULTY_FTRUNCATE(ftruncate, off_t)

#define FAULTY_FSTAT(name, type)                                               \
    int name(int fd, struct type *st)                                          \
    {                                                                          \
        return fault("fstat") ? -1 : REAL(name)(fd, st);                       \
    }
FAULTY_FSTAT(fstat, stat)

#ifdef __GLIBC__ /* musl has one size of file only */
FAULTY_OPENAT(openat64)
FAULTY_PREAD(pread64, off64_t)
FAULTY_PWRITE(pwrite64, off64_t)
FAULTY_FTRUNCATE(ftruncate64, off64_t)
FAULTY_FSTAT(fstat64, stat64)
#endif

int fdatasync(int fd)
{
    take_time();
    return fault("fdatasync") ? -1 : REAL(fdatasync)(fd);
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
