/* SPDX-License-Identifier: 0BSD */
/* pending.h - holds updates that the other server of a pair may lack.
 *
 * The passive server holds an update of a client until the active one publishes
 * it. The active server holds an update that it has published until the peer
 * has had time to receive it. Only the last update of each key is held. The
 * table shows what an event does to the held update of its key. The two columns
 * on the right are for an update that came from a client, and for an update
 * that this server has published.
 *
 *     event                                          from a client  published
 *     a client sends a new update                    replaced       replaced
 *     a client sends it again, or a known one        kept           kept
 *     a client sends an earlier one                  kept           kept
 *     the peer publishes this update                 dropped        dropped
 *     the peer publishes a later one                 dropped        dropped
 *     the peer publishes an earlier one              kept           kept
 *     the peer publishes another writer's new one    kept           dropped
 *     the peer publishes another writer's known one  kept           kept
 *     held for 1 s by the passive server             passed on      passed on
 *                                                    (and kept)     (and kept)
 *     the active server has held it, and has         dropped        dropped
 *     heard the peer, for 3 intervals
 *     this server becomes active, and its table
 *       has the update                               kept           kept
 *       lacks the update                             published      published
 *
 * Earlier and later are updates of the same writer: kvmsg_compare_by_writer().
 * A server that becomes active does not publish a held update if its table has
 * a later one. A held update without a uuid is dropped when the peer publishes
 * any update of its key.
 *
 * At most 1,000,000 updates and 256 MiB are held. Beyond that the oldest one is
 * dropped: it is lost if only this server has it.
 *
 * An update is known if its uuid is among the last 500,000 that this server or
 * the peer has published. So a server does not apply an update twice if a
 * client sends it again, if the peer passes it on, or if it was in the queue of
 * a process that was frozen.
 */
#pragma once
#include "kvmsg.h"

typedef struct pending pending;

pending *pending_new(void);
void pending_destroy(pending **self);

/* Return true if the uuid of this update is known. */
bool pending_is_known(pending *self, zg_msg *update);

/* ---- Events ------------------------------------------------------------- */

/* Hold an update of a client: this server is passive. Overwrite the number of
 * the update. */
void pending_client_sent(pending *self, zg_msg *update);

/* Hold an update that this active server publishes. It has a uuid. Overwrite
 * its number. */
void pending_we_published(pending *self, zg_msg *update);

/* Drop the held update if this one of the peer replaces it. */
void pending_peer_published(pending *self, zg_msg *update);

/* Drop the held updates that the items of the peer's snapshot replace. */
void pending_peer_has(pending *self, table *items);

/* ---- Commands ----------------------------------------------------------- */

/* Drop the updates that have been held for `msecs`. Call this only if the peer
 * has been connected for `msecs`, and thus has received them. */
void pending_expire(pending *self, int64_t msecs);

/* Handle a copy of a held update, and change it if need be. An update whose ttl
 * has ended deletes its key. */
typedef void pending_visitor(void *arg, zg_msg *update);

/* Call `visit` with a copy of each update that was held, or passed on, 1 s ago
 * or earlier: at most 5,000, the others in the next call. All remain held;
 * `visit` must not hold or drop any. */
void pending_pass_on(pending *self, pending_visitor *visit, void *arg);

/* Call `visit` with a copy of each held update that a table lacks, and hold
 * those no longer. `visit` may hold the update again. */
void pending_take_missing(pending *self, table *items, pending_visitor *visit,
                          void *arg);
