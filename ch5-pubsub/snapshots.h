/* SPDX-License-Identifier: 0BSD */
/* snapshots.h - the server's side of RFC 12: snapshots, and HUGZ.
 *
 *     [client][ICANHAZ?] or [client][ICANHAZ?][subtree]      a request
 *     [client][key][number]...[value]                        for each item
 *     [client][KTHXBAI][number]...[subtree]                  the end
 *
 * A snapshot is not a copy of the table. Each client has a cursor: the key of
 * the last item that was sent to this client. The server sends items until the
 * queue of the connection is full, and continues later. KTHXBAI has the number
 * of the last update before the request. As the table changes in between, an
 * item can be newer than this number. The client applies all updates above the
 * number, in order. A key can return to an older value for a short time. The
 * client applies the last update of the key last, so the replica converges.
 *
 * A client must not request a second snapshot on a connection, nor reuse its
 * routing id, before it has received KTHXBAI: the request would be ignored.
 *
 * HUGZ carries the epoch of the server: 16 random hexadecimal digits. Messages
 * of five frames have properties, which tell a client whether it has missed an
 * update of its subtree:
 *
 *     KTHXBAI   count=C              updates of the subtree up to its number
 *     HUGZ      number=N             of the last update
 *               count.SUBTREE=C ...  updates up to N, SUBTREE in hexadecimal
 *
 * The server counts the updates of the first 256 subtrees that are requested. A
 * KTHXBAI without a count says that the server does not count this subtree.
 */
#pragma once
#include "chp.h"
#include "table.h"

typedef struct snapshots snapshots;

/* Append the frames of an item to a message. */
typedef void snapshots_loader(const item *it, zg_msg *msg);

/* Prepare snapshots for requests on `router`, which remains the caller's. Items
 * and KTHXBAI have `frames` frames, 3 or 5. This function sets the options
 * ZMQ_ROUTER_MANDATORY and ZMQ_ROUTER_HANDOVER, and chooses a random epoch. */
snapshots *snapshots_new(void *router, int frames, snapshots_loader *load);
void snapshots_destroy(snapshots **self);

/* Begin a snapshot for a request, as received. `number` is that of the last
 * update. Return false if the request is malformed. Return true otherwise, also
 * if the request is ignored because this client is being served. With 1000
 * clients being served, abort the snapshot of the slowest one. */
bool snapshots_begin(snapshots *self, zg_msg *request, int64_t number);

/* Send the next items to each client. A client whose queue stays full for ten
 * minutes loses its snapshot: it must read 500 items, half of the queue, in
 * this time. Return when to call this again, on the clock of zg_now(), or
 * ZG_FOREVER if all snapshots are complete. */
int64_t snapshots_send(snapshots *self, table *items);

/* Count an update in each subtree that it belongs to. */
void snapshots_count_update(snapshots *self, zg_msg *update);

/* Publish HUGZ; `number` is that of the last update. */
void snapshots_publish_hugz(snapshots *self, void *publisher, int64_t number);
