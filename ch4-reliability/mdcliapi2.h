/* SPDX-License-Identifier: 0BSD */
/* mdcliapi2.h - Majordomo client that does not wait: it sends, and receives.
 *
 *     DEALER mdcliapi2 (this) ---> ROUTER mdbroker <--- DEALER mdwrkapi
 *
 * Replies come in any order if the service has several workers, and nothing
 * tells to which request one belongs: put that into the body if it matters.
 * Not for several threads at once; each may have a client of its own.
 *
 * Guide: chapter 4, "Asynchronous Majordomo Pattern".
 */
#pragma once
#include "zg.h"

typedef struct {
    long timeout; /* to wait for the next reply, in ms (2500) */
    bool verbose; /* print every message (false) */
    void *socket; /* its own */
} mdcli2;

/* A client of the broker at this endpoint. Change its settings as you like. */
mdcli2 mdcli2_new(void *ctx, const char *broker);

/* Send a request to the service: body is 1 to 14 frames, and empty after that.
 * It never waits: false means that there is no room now (receive, then try
 * again) or that the program stops; body is as it was. RFC 7, "MDP/Client". */
bool mdcli2_send(mdcli2 *self, const char *service, zg_msg *body);

/* Receive [service][body...] in place of what reply holds; it is yours to
 * clear. False: errno is ETIMEDOUT (nothing came in time) or ETERM (the program
 * stops). Requests are not sent again: that is up to you, if they may be done
 * twice, on a new client, which no late reply can reach. */
bool mdcli2_recv(mdcli2 *self, zg_msg *reply);

void mdcli2_destroy(mdcli2 *self);
