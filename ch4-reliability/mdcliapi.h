/* SPDX-License-Identifier: 0BSD */
/* mdcliapi.h - Majordomo client class: sends a request to a service and waits
 * for the reply.
 *
 *     REQ mdcliapi (this) ---> ROUTER mdbroker <--- DEALER mdwrkapi
 *
 * A client may be used by one thread only.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#pragma once
#include "zg.h"

typedef struct {
    /* Settings, which the caller may change after mdcli_new(). */
    long timeout; /* of each try, in ms (2500) */
    long tries;   /* how often a request is sent, at most (3) */
    bool verbose; /* print every message (false) */
    /* Private. */
    void *ctx, *socket;
    const char *broker;
} mdcli;

/* Return a client of the broker at this endpoint. The string is shared and must
 * remain valid. */
mdcli mdcli_new(void *ctx, const char *broker);

/* Send a request, 1 to 14 frames in body, to the service. True: the reply has
 * replaced the request in body. False: body is unchanged, and errno is
 * ETIMEDOUT (no try got a reply), ETERM (shutdown) or EINVAL (too many frames
 * or none). The caller owns body. RFC 7, "MDP/Client". */
bool mdcli_send(mdcli *self, const char *service, zg_msg *body);

void mdcli_destroy(mdcli *self);
