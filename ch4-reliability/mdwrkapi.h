/* SPDX-License-Identifier: 0BSD */
/* mdwrkapi.h - Majordomo worker: offers a service, one request at a time.
 *
 *     REQ mdcliapi ---> ROUTER mdbroker <--- DEALER mdwrkapi (this)
 *
 * Not for several threads at once; each may have a worker of its own, or many.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#pragma once
#include "zg.h"

typedef struct {
    long heartbeat; /* the interval, in ms, which is the broker's (2500) */
    long liveness;  /* of so much silence: the broker is gone (3) */
    long reconnect; /* at least so long from READY to READY, in ms (2500) */
    bool verbose;   /* print every message (false) */
    void *net;      /* a context for many workers' sockets (NULL: its own) */
    void *stop;     /* to pass to zg_sleep() while working */
    /* The others are its own. */
    void *own, *socket;
    bool readable;
    const char *broker, *service;
    int64_t ready, heard, sent;
    zg_msg client;
} mdwrk;

/* A worker for a service of the broker at this endpoint; both strings have to
 * last. Change its settings as you like. It says READY when first used. */
mdwrk mdwrk_new(void *ctx, const char *broker, const char *service);

/* Wait for a request. The first time, body is empty; then it is the reply to
 * the last request, 1 to 14 frames, and is sent. When this returns true, body
 * is the next request. It is yours to clear. False: the program stops.
 * While you work on a request nothing is sent; the broker keeps a worker that
 * works as long as its connection lives. RFC 7, "MDP/Worker". */
bool mdwrk_recv(mdwrk *self, zg_msg *body);

/* The same in its parts, for a thread that is many workers, up to 100: wait
 * until one of them has something to do, or false: the program stops; */
enum { MDWRK_MANY = 100 };
bool mdwrk_wait(mdwrk *workers, int n);

/* let it do that, and if it then returns true, body is a request; */
bool mdwrk_take(mdwrk *self, zg_msg *body);

/* send the reply to that, before the next mdwrk_take(). */
void mdwrk_reply(mdwrk *self, zg_msg *body);

/* Say goodbye, so that the broker need not find out. */
void mdwrk_destroy(mdwrk *self);
