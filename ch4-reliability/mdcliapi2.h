/* SPDX-License-Identifier: 0BSD */
/* mdcliapi2.h - asynchronous Majordomo client class: sends requests without
 * waiting for their replies.
 *
 *     DEALER mdcliapi2 (this) ---> ROUTER mdbroker <--- DEALER mdwrkapi
 *
 * If the service has several workers, replies arrive in any order. The protocol
 * does not tell to which request a reply belongs: put a number into the body if
 * that matters. A client may be used by one thread only.
 *
 * Guide: chapter 4, "Asynchronous Majordomo Pattern".
 */
#pragma once
#include "zg.h"

typedef struct {
    /* Settings, which the caller may change after mdcli2_new(). */
    long timeout; /* of mdcli2_recv(), in ms (2500) */
    bool verbose; /* print every message (false) */
    /* Private. */
    void *socket;
} mdcli2;

/* Return a client of the broker at this endpoint. */
mdcli2 mdcli2_new(void *ctx, const char *broker);

/* Send a request, 1 to 14 frames in body, to the service; never block. True:
 * body is empty. False: body is unchanged; the socket is full (EAGAIN: receive,
 * then try again), shutdown (ETERM), or EINVAL. RFC 7, "MDP/Client". */
bool mdcli2_send(mdcli2 *self, const char *service, zg_msg *body);

/* Receive [service][body...] in place of reply; the caller owns it. False:
 * errno is ETIMEDOUT or ETERM (shutdown). The class never sends a request
 * again. To do so, the caller should use a new client, which no late reply can
 * reach. */
bool mdcli2_recv(mdcli2 *self, zg_msg *reply);

void mdcli2_destroy(mdcli2 *self);
