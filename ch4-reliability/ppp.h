/* SPDX-License-Identifier: 0BSD */
/* ppp.h - Paranoid Pirate Protocol: what ppqueue and ppworker agree on.
 *
 *     worker to queue   READY      [01]  first of all, to be enrolled
 *     both ways         HEARTBEAT  [02]  still here, and no more than that
 *     queue to worker   REQUEST    [client][][body...]
 *     worker to queue   REPLY      [client][][body...]
 *
 * Each takes the other for dead who was silent for "liveness" intervals.
 *
 * Specification: https://rfc.zeromq.org/spec/6/
 */
#pragma once
#include "zg.h"

#define PPP_READY "\001"
#define PPP_HEARTBEAT "\002"

/* Is frame i a client's id, with the empty frame and a body behind it? If the
 * client asks through proxies, their addresses stand before the empty frame.
 * The longest message has no room for the id that goes in front of it. */
static inline bool ppp_has_body(zg_msg *msg, int client)
{
    int i = client + 1;

    while (i < msg->count - 1 && !zg_is(msg, i, ""))
        i++;
    return i < msg->count - 1 && msg->count - client < ZG_MAX_RECV;
}
