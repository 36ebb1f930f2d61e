/* SPDX-License-Identifier: 0BSD */
/* ppp.h - Paranoid Pirate Protocol, spoken by ppqueue and ppworker.
 *
 *     worker to queue   READY      [01]  registers the worker; sent first
 *     both ways         HEARTBEAT  [02]  shows that the sender is alive
 *     queue to worker   REQUEST    [client][][body...]
 *     worker to queue   REPLY      [client][][body...]
 *
 * A peer that sends nothing for `liveness` heartbeat intervals has expired. The
 * worker closes the connection to an expired queue; the queue removes an
 * expired worker.
 *
 * Specification: https://rfc.zeromq.org/spec/6/
 */
#pragma once
#include "zg.h"

#define PPP_READY "\001"
#define PPP_HEARTBEAT "\002"

/* Return true if the frames from i on are a request or a reply. A request that
 * came through proxies has their ids before the empty frame. At most 19 frames,
 * because the queue adds the worker's id. */
static inline bool ppp_has_body(zg_msg *msg, int i)
{
    return zg_delimiter(msg, i + 1) > 0 && msg->count - i < ZG_MAX_RECV;
}
