/* SPDX-License-Identifier: 0BSD */
/* macos.h - the common headers without what macOS lacks. */
#pragma once
#define fdatasync fdatasync_of_linux /* a program may define it */
#define st_mtim st_mtimespec
#include "headers.h"
#undef fdatasync
#undef st_mtim
#undef _POSIX_SYNCHRONIZED_IO
#define _POSIX_SYNCHRONIZED_IO (-1)
#undef MSG_CMSG_CLOEXEC
#undef MSG_NOSIGNAL
#undef SOCK_CLOEXEC
#undef SOCK_NONBLOCK
#undef TCP_KEEPIDLE
#undef TCP_USER_TIMEOUT
#pragma GCC poison accept4 clock_getcpuclockid clock_nanosleep dup3 getrandom
#pragma GCC poison pipe2 posix_fadvise posix_fallocate ppoll prctl
#pragma GCC poison pthread_barrier_init pthread_condattr_setclock
#pragma GCC poison pthread_mutex_timedlock pthread_spin_init sem_init
#pragma GCC poison sem_timedwait sigtimedwait sigwaitinfo syncfs timer_create
