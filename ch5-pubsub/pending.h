/* SPDX-License-Identifier: 0BSD */
/* pending.h - updates that only one of a pair of servers may have.
 *
 * The passive holds what clients have sent and the active has not published.
 * The active holds what it has published until it can count on the passive to
 * have it. Whoever becomes active does what he holds; whoever becomes passive
 * passes it on. For each key it is the last update that counts.
 *
 * Besides it remembers the uuids of the last half a million updates. One that
 * comes again, from a client that had no answer, from the peer, or out of the
 * queue of one that was frozen, is known by that.
 */
#pragma once
#include "kvmsg.h"

typedef struct pending pending;

pending *pending_new(void);
void pending_destroy(pending **self);

/* Have we had this update before? From now on we have. (It has a uuid.) */
bool pending_seen(pending *self, zg_msg *update);

/* As the active, hold a copy of what we do, from this moment on. Beyond a
 * million the oldest goes. */
void pending_hold(pending *self, zg_msg *update);

/* From a client, to one that is passive: hold it, if the active has not
 * published it already. What is held for its key is older than it. */
void pending_await(pending *self, zg_msg *update);

/* The active has it: do not hold it any longer, nor what is older than it. One
 * without a uuid is known by its key. */
void pending_done(pending *self, zg_msg *update);

/* We have got the active's table: do not hold what it has. */
void pending_settle(pending *self, kvmap *table);

/* To the active: is this old news? The passive gives what it passes on the
 * number to which it has followed the active, and one; clients give theirs the
 * number 0. It is old if its key has changed in the table since, or if that
 * number is less than recent: then it was long on its way. */
bool pending_outdated(zg_msg *update, kvmap *table, int64_t recent);

/* Forget what has been held for so many milliseconds. */
void pending_expire(pending *self, long msecs);

/* Call with each update that has been held so long. Its ttl is what is left of
 * it; when that is over, it deletes its key. Take: and hold none of them any
 * longer. */
typedef void pending_visitor(void *arg, zg_msg *update);
void pending_visit(pending *self, long msecs, pending_visitor *visit,
                   void *arg);
void pending_take(pending *self, pending_visitor *visit, void *arg);
