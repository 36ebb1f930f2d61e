/* SPDX-License-Identifier: 0BSD */
/* replica.h - a copy of a server's table, or of a part of it (RFC 12).
 *
 *     NOWHERE
 *        | visit
 *     JOINING  subscribed, and nothing has come yet
 *        | HUGZ or an update: the subscription lives, so ask for all
 *     SYNCING  updates wait in their socket
 *        | KTHXBAI: from now on the copy is this one
 *     FOLLOWING
 *        | HUGZ tells of another table: ask once more, SYNCING
 *
 * It has no loop of its own: whoever owns it reads from the socket that it
 * names and hands over what comes. Each visit has sockets of its own, so
 * nothing comes late; the old copy is there until the new one is complete.
 */
#pragma once
#include "hugz.h"

enum replica_state { NOWHERE, JOINING, SYNCING, FOLLOWING };

/* What a message has brought: nothing, an update that map has now, or the last
 * of a snapshot, so that map is another one. */
enum replica_news { NO_NEWS, UPDATED, REPLACED };

/* Begins with replica_init(). The owner may read all of it, and change what is
 * in map: as a server that has become active. */
struct replica {
    void *ctx, *updates, *snapshot;
    char subtree[256], server[256]; /* the endpoint of its snapshots */
    enum replica_state state;
    kvmap *map, *loading;
    int64_t sequence; /* of the last update that map has */
    int64_t heard_at; /* when something came from the server */
    struct hugz_origin origin;
};

void replica_init(struct replica *self, void *ctx, const char *subtree);
void replica_close(struct replica *self);

/* Go to this server; leave the one where it is. */
void replica_visit(struct replica *self, const char *server);
void replica_leave(struct replica *self);

/* Ask for all, on a connection of its own: [ICANHAZ?][subtree]. It asks by
 * itself when it is time to; while it is joining this is a vote for the server.
 */
void replica_ask(struct replica *self);

/* Is its key in this part of the table? As we subscribe to HUGZ, those come too
 * that only begin like that. */
bool replica_covers(struct replica *self, zg_msg *msg);

/* The socket to read from now, NULL if it is nowhere. */
void *replica_socket(struct replica *self);

/* Take a message from that socket; it stays the caller's. */
enum replica_news replica_take(struct replica *self, zg_msg *msg);
