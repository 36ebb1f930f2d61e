/* SPDX-License-Identifier: 0BSD */
/* replica.h - a client's copy of a server's table, or of a subtree of it.
 *
 *     IDLE
 *       | replica_join()
 *     JOINING    subscribed; waits for HUGZ, which has the server's epoch and
 *       |        proves that the server has the subscription
 *       | HUGZ, or connected for 3 s without HUGZ
 *     FETCHING   requests a snapshot; updates wait in the SUB socket
 *       | KTHXBAI: `table` is the snapshot
 *     FOLLOWING  applies updates above the number of the snapshot
 *       | an update was missed, the server has restarted or is silent
 *     JOINING
 *
 * A replica of the whole table detects a missed update by a gap in the numbers.
 * A replica of a subtree compares its count of updates with that of the server
 * (snapshots.h). A replica of a subtree with messages of three frames (model 4)
 * detects no missed update.
 * If the epoch changes or a number does not rise, the server has restarted.
 * Each join opens new sockets, so no old message arrives. The old table remains
 * until the new one is complete.
 *
 * The replica has no loop: its owner reads messages from replica_socket(),
 * passes them to replica_handle_message(), and calls replica_tick() in between.
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
    void *unconnected; /* a socket to poll while there is no other */
    const char *server, *publisher;
    int frames;       /* of a message: 3 or 5 */
    bool has_subtree; /* requests have a second frame */
    char subtree[CHP_KEY_MAX];
    size_t subtree_size;
    int64_t timeout; /* ms without a message, after which it joins again */
    enum replica_state state;
    table *table, *loading;
    int64_t sequence; /* number of the last update that the table contains */
    int64_t received; /* number of the last update that arrived: detects a
                       * restart of a server without HUGZ */
    int64_t count;    /* updates of the subtree, -1 if the server counts none */
    int64_t checked;  /* number up to which the server's count has confirmed
                       * ours */
    bool has_voted;   /* on the socket for snapshots: do not use it to fetch */
    bool has_hugz;    /* the server sends HUGZ: it must not be silent */
    zmq_msg_t epoch;  /* the value of the first HUGZ since the join */
    int64_t heard_at; /* last message received */
    int64_t fetch_at; /* when to fetch without HUGZ */
};

/* Initialize an idle replica with an empty table. The subtree is a string of at
 * most CHP_KEY_MAX bytes. NULL: send requests without a subtree, as models 2
 * and 3 do. The timeout must be longer than the largest value takes to arrive.
 */
void replica_init(struct replica *self, void *ctx, int frames,
                  const char *subtree, int64_t timeout);
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

/* Handle a message from that socket. The message remains the caller's; a
 * malformed one is emptied. */
enum replica_change replica_handle_message(struct replica *self, zg_msg *msg);

/* Request the snapshot, or join again after a timeout, if it is time to. Return
 * the next call's time on zg_now(), or ZG_FOREVER. */
int64_t replica_tick(struct replica *self);

/* Return true if the server has sent nothing for `timeout` ms. */
bool replica_is_silent(const struct replica *self);

/* Until HUGZ arrives, send a request for a snapshot: a passive server of a pair
 * counts it as a vote. Return false if it is not sent: there is no connection,
 * or the server has sent HUGZ. */
bool replica_vote(struct replica *self);
