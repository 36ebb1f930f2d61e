/* SPDX-License-Identifier: 0BSD */
/* freebsd.h - the common headers without what FreeBSD lacks. */
#pragma once
#include "headers.h"
#undef IP_MTU_DISCOVER
#undef IP_PKTINFO
#undef IP_RECVERR
#undef MSG_CONFIRM
#undef MSG_ERRQUEUE
#undef MSG_MORE
#undef SO_BINDTODEVICE
#undef SO_PEERCRED
#undef SO_PRIORITY
#undef TCP_USER_TIMEOUT
#pragma GCC poison getrandom in_pktinfo prctl syncfs
