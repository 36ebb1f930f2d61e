/* SPDX-License-Identifier: 0BSD */
/* mdcliapi.h - Majordomo client: asks a service, and asks again if need be.
 *
 *     REQ mdcliapi (this) ---> ROUTER mdbroker <--- DEALER mdwrkapi
 *
 * Not for several threads at once; each may have a client of its own.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#pragma once
#include "zg.h"

typedef struct {
    long timeout; /* how long a try waits for the reply, in ms (2500) */
    long tries;   /* how often in all a request is sent (3) */
    bool verbose; /* print every message (false) */
    /* The others are its own. */
    void *ctx, *socket;
    const char *broker;
} mdcli;

/* A client of the broker at this endpoint, a string that has to last. Change
 * its settings as you like. It connects when it is first needed. */
mdcli mdcli_new(void *ctx, const char *broker);

/* Ask the service: body is 1 to 14 frames; when this returns true they are
 * replaced by those of the reply. False: body is as it was, and errno is
 * ETIMEDOUT (no reply to any try) or ETERM (the program stops).
 * Either way it is yours to clear. RFC 7, "MDP/Client". */
bool mdcli_send(mdcli *self, const char *service, zg_msg *body);

void mdcli_destroy(mdcli *self);
