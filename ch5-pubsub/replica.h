/* SPDX-License-Identifier: 0BSD */
/* replica.h - a client's copy of a server's table, or of a subtree of it.
 *
 *     IDLE
 *       | replica_join()
 *     JOINING    subscribed; waits for HUGZ, which proves that the server has
 *       |        the subscription, and tells its epoch
 *     FETCHING   asks for a snapshot; updates wait in the SUB socket
 *       | KTHXBAI: `table` is the snapshot
 *     FOLLOWING  applies updates above the number of the snapshot
 *       |
 *     JOINING    an update was missed, the server has restarted or is silent
 *
 * A replica detects a missed update by its number if it has the whole table. A
 * subtree skips numbers, but messages of five frames carry the count of its
 * updates (snapshots.h). Another epoch, or a number that does not rise, tells
 * that the server has restarted. Each join opens new sockets, so no old message
 * arrives. The old table remains until the new one is complete.
 *
 * The replica has no loop: its owner reads messages from replica_socket(),
 * passes them to replica_take(), and calls replica_tick() in between.
 */
#pragma once
#include "chp.h"
#include "kvmsg.h"
#include "table.h"

enum replica_state {
    REPLICA_IDLE,
    REPLICA_JOINING,
    REPLICA_FETCHING,
    REPLICA_FOLLOWING
};

/* The effect of a message: none, one key is updated, a snapshot is complete. */
enum replica_change { REPLICA_UNCHANGED, REPLICA_UPDATED, REPLICA_REPLACED };

/* The owner may read all fields. It may set ctx and the subtree before a join,
 * and change the table and the sequence while the replica is idle. */
struct replica {
    void *ctx, *updates, *snapshot; /* sockets of the join, or NULL */
    void *silent;                   /* a socket that receives nothing */
    const char *server, *publisher;
    int frames;       /* of a message: 3 or 5 */
    bool has_subtree; /* requests have a second frame */
    char subtree[CHP_KEY_MAX];
    size_t subtree_size;
    int64_t silence; /* ms without a message, after which it joins again */
    enum replica_state state;
    table *table, *loading;
    int64_t sequence; /* the last update that the table has */
    int64_t received; /* the last update since the join, maybe older */
    int64_t count;    /* updates of the subtree, -1 if the server counts none */
    int64_t checked;  /* the last update up to which that count was right */
    bool has_voted;   /* on the socket for snapshots */
    bool has_hugz;    /* the server sends HUGZ: its silence is a fault */
    zmq_msg_t epoch;  /* the value of its last HUGZ */
    int64_t heard_at, fetch_at;
};

/* Initialize an idle replica with an empty table. Its subtree is a string of at
 * most CHP_KEY_MAX bytes; with NULL it asks as models 2 and 3 do, which have no
 * subtrees. A value of 1 MB needs a line that carries it in `silence` ms. */
void replica_init(struct replica *self, void *ctx, int frames,
                  const char *subtree, int64_t silence);
void replica_destroy(struct replica *self);

/* Join the server with these endpoints for snapshots and updates. Both strings
 * must remain valid until the next join. If this process has no descriptors
 * left, replica_tick() tries again once a second. */
void replica_join(struct replica *self, const char *server,
                  const char *publisher);

/* Disconnect from the server; the table remains. */
void replica_leave(struct replica *self);

/* Return the socket to read from. It changes with the state. */
void *replica_socket(struct replica *self);

/* Take a message from that socket; it remains the caller's. */
enum replica_change replica_take(struct replica *self, zg_msg *msg);

/* Ask for the snapshot, or join again after a silence, if it is time to. Return
 * when to call this again. */
int64_t replica_tick(struct replica *self);

/* Return true if the server has sent nothing for `silence` ms. */
bool replica_is_silent(const struct replica *self);

/* Until HUGZ arrives, send a request for a snapshot: a passive server of a pair
 * counts it as a vote. Return false if it is not sent: there is no connection,
 * or the server has sent HUGZ. */
bool replica_vote(struct replica *self);
