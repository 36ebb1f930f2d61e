/* SPDX-License-Identifier: 0BSD */
/* snapshots.h - a table as a whole: handed out, to many clients at once, and
 * fetched.
 *
 *     [client][ICANHAZ?] or [client][ICANHAZ?][subtree]      (RFC 12)
 *     [client][key][number]...[value], once for each key below the subtree
 *     [client][KTHXBAI][number]...[subtree]
 *
 * A snapshot is no copy: each client has a place in the table, and gets as much
 * at a time as its connection takes. One that does not read waits, at the cost
 * of the messages that its socket holds, and loses its place after 10 seconds.
 *
 * Meanwhile the table goes on. The number in KTHXBAI is that of the beginning:
 * whoever applies all later updates, in order, has what the server has, even if
 * some were in what he got.
 */
#pragma once
#include "kvmap.h"

typedef struct snapshots snapshots;

/* Appends an item to a message as it is to be sent. */
typedef void snapshots_loader(const kvitem *item, zg_msg *msg);

/* On this ROUTER, which stays the caller's and is not bound yet, send messages
 * of so many frames. */
snapshots *snapshots_new(void *router, int frames, snapshots_loader *load);
void snapshots_destroy(snapshots **self);

/* Begin with this request, as received; number is that of the last update.
 * False: it is none, or 1000 clients are being served. */
bool snapshots_begin(snapshots *self, zg_msg *request, int64_t number);

/* Send on to each. Properties are those of KTHXBAI, where a message has some,
 * or NULL. Returns when to do so again, as a moment of zg_now(); it is
 * ZG_FOREVER when all have got theirs. */
int64_t snapshots_send(snapshots *self, kvmap *map, const char *properties);

/* The other side: join what this SUB socket, connected and with its filters
 * set, is to follow. Wait until something comes by it, for then the
 * subscription has arrived, and only then ask the server at this endpoint for
 * all that it has below the subtree (NULL: it knows no subtrees); and so again
 * until it has told all, be it that it comes late, or dies in the middle. Then
 * the map, emptied before, has the table, and end KTHXBAI; both are the
 * caller's. The next that is to be applied comes by the SUB socket. False: the
 * program is to stop. */
bool snapshots_join(void *ctx, void *updates, const char *endpoint,
                    const char *subtree, int frames, kvmap **map, zg_msg *end);
