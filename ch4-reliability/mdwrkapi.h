/* SPDX-License-Identifier: 0BSD */
/* mdwrkapi.h - Majordomo worker class: offers a service, one request at a time.
 *
 *     REQ mdcliapi ---> ROUTER mdbroker <--- DEALER mdwrkapi (this)
 *
 * A worker may be used by one thread only.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#pragma once
#include "zg.h"

typedef struct {
    /* Settings, which the caller may change after mdwrk_new(). */
    long interval; /* between heartbeats in ms, as in the broker (2500) */
    long liveness; /* silent intervals until the broker expires (3) */
    bool verbose;  /* print every message (false) */
    /* For the caller: pass it to zg_sleep() while working. */
    void *stop;
    /* Private. */
    void *ctx, *socket;
    const char *broker, *service;
    int64_t ready_at, heartbeat_at, expiry;
    zg_msg client;
} mdwrk;

/* Return a worker for a service of the broker at this endpoint. Both strings
 * are shared and must remain valid. The worker registers on its first
 * mdwrk_recv(). */
mdwrk mdwrk_new(void *ctx, const char *broker, const char *service);

/* Send the reply to the last request, 1 to 14 frames in body, and wait for the
 * next request. Pass an empty body the first time. True: body is the next
 * request; the caller owns it. False: shutdown. RFC 7, "MDP/Worker". The worker
 * sends no heartbeats while the caller works on a request; the broker allows
 * that as long as the connection is open. */
bool mdwrk_recv(mdwrk *self, zg_msg *body);

/* Send DISCONNECT, so that the broker dispatches to others at once, and free
 * all resources. */
void mdwrk_destroy(mdwrk *self);
