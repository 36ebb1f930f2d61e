/* SPDX-License-Identifier: 0BSD */
/* clonecli2.c - joins clonesrv2 at any time, and keeps a replica of its table.
 *
 *     clonecli2 (this)   port         clonesrv2
 *     DEALER   <-------> 5556 <-----> ROUTER     [ICANHAZ?], the snapshot
 *     SUB      <-------- 5557 ------- PUB        updates, HUGZ
 *
 * To join without a gap takes four steps: subscribe; wait for HUGZ; fetch a
 * snapshot; apply the updates above its number. A subscription takes time to
 * arrive. Without the second step, the client would lose an update that is
 * published after the snapshot and before the subscription arrives. Updates
 * wait in the SUB socket until the snapshot is complete. If no HUGZ arrives
 * within 3 s, the client joins without it, since the Guide's servers send none.
 * It joins again if a HUGZ arrives later.
 *
 * If the server is silent, or has restarted, the client joins again. It does
 * not detect a missed update; clonecli3 does.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli2.c ch5-pubsub/table.c
 *           -o clonecli2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv2 & sleep 3; bin/clonecli2 -n 6000
 *     I: snapshot of ... keys, up to update ...
 *     ... keys, sequence 6000, digest ...
 *
 * Guide: chapter 5, "Getting an Out-of-Band Snapshot".
 */
#include "kvsimple.h"
#include "table.h"

static const char usage[] =
    "clonecli2 [-n COUNT] [-t MS] [SNAPSHOT [PUBLISHER]]\n"
    "Joins at any time, and keeps a replica of the table of clonesrv2.\n"
    "  -n COUNT   end after this update; 0: until stopped (0)\n"
    "  -t MS      join again after this silence, at least 2000 (10000)\n"
    "  SNAPSHOT   connect (tcp://localhost:5556)\n"
    "  PUBLISHER  connect (tcp://localhost:5557)\n"
    "Peers: clonesrv2 SNAPSHOT PUBLISHER\n";

struct client {
    void *ctx, *updates;
    table *table;
    int64_t sequence; /* number of the last update that the table has */
    int64_t received; /* number of the last update that arrived: detects a
                       * restart of a server without HUGZ */
    zmq_msg_t epoch;  /* the value of the last HUGZ */
    bool has_hugz;    /* the server sends HUGZ: it must not be silent */
    long count, timeout;
};

/* Receive the next valid message. Return 1, 0 on timeout, -1 on shutdown. */
static int receive(zg_msg *msg, void *sock, int64_t deadline)
{
    zmq_pollitem_t input = { sock, 0, ZMQ_POLLIN, 0 };
    int ready;

    do {
        ready = zg_poll(&input, 1, deadline);
        if (ready == 1 && !kvsimple_recv(msg, sock, 0))
            return -1;
    } while (ready == 1 && msg->count == 0);
    return ready;
}

/* ---- Join --------------------------------------------------------------- */

/* Subscribe with a new socket: it receives no message of an earlier join. */
static void subscribe(struct client *self)
{
    if (self->updates != NULL)
        zmq_close(self->updates);
    self->updates = zg_socket(self->ctx, ZMQ_SUB);
    self->received = INT64_MIN;
    zg_set(self->updates, ZMQ_RCVHWM, CHP_CLIENT_QUEUE);
    zg_must(zmq_setsockopt(self->updates, ZMQ_SUBSCRIBE, "", 0));
    zg_connect(self->updates, zg_value[1]);
}

/* Wait for HUGZ, at most CHP_NO_HUGZ_MS. After HUGZ this client receives all
 * updates; the snapshot will contain the earlier ones. Return false on
 * shutdown. */
static bool await_hugz(struct client *self)
{
    int64_t deadline = zg_now() + CHP_NO_HUGZ_MS;
    zg_msg msg = { 0 };
    int result;

    do {
        result = receive(&msg, self->updates, deadline);
        self->has_hugz = result == 1 && zg_is(&msg, KV_KEY, CHP_HUGZ);
    } while (result == 1 && !self->has_hugz && zg_now() < deadline);
    if (self->has_hugz)
        zmq_msg_copy(&self->epoch, &msg.frame[KVSIMPLE_VALUE]);
    zg_clear(&msg);
    return result != -1;
}

/* Send [ICANHAZ?]. Receive the items of the table, then KTHXBAI with the number
 * of the snapshot. The old table remains until then. Return 1, 0 if the server
 * is silent or has disconnected, -1 on shutdown. */
static int fetch(struct client *self, void *snapshot)
{
    zg_msg msg = { 0 };
    int result;

    if (zmq_send(snapshot, CHP_ICANHAZ, strlen(CHP_ICANHAZ), ZMQ_DONTWAIT)
        == -1)
        return errno == ETERM ? -1 : 0; /* it has disconnected */
    table *loading = table_new();
    for (;;) {
        result = receive(&msg, snapshot, zg_now() + self->timeout);
        if (result != 1 || zg_is(&msg, KV_KEY, CHP_KTHXBAI))
            break;
        table_update(loading, &msg, 0);
    }
    if (result == 1) {
        table_destroy(&self->table);
        self->table = loading;
        self->sequence = kv_number(&msg);
        printf("I: snapshot of %zu keys, up to update %ld\n",
               table_count(self->table), (long) self->sequence);
    } else {
        table_destroy(&loading);
    }
    zg_clear(&msg);
    return result;
}

/* Try to join once. Return as fetch() does. */
static int try_to_join(struct client *self)
{
    void *snapshot = zg_socket(self->ctx, ZMQ_DEALER);
    zmq_pollitem_t connection = { snapshot, 0, ZMQ_POLLOUT, 0 };
    int result = -1;

    zg_set(snapshot, ZMQ_LINGER, 0);
    zg_set(snapshot, ZMQ_IMMEDIATE, 1); /* writable once it is connected */
    zg_connect(snapshot, zg_value[0]);
    subscribe(self);
    if (zg_poll(&connection, 1, ZG_FOREVER) == 1 && await_hugz(self))
        result = fetch(self, snapshot);
    zmq_close(snapshot);
    return result;
}

/* Join the server, however long that takes. Return false on shutdown. */
static bool join(struct client *self)
{
    int result;
    while ((result = try_to_join(self)) == 0)
        fprintf(stderr, "W: the server is silent: joining again\n");
    return result == 1;
}

/* ---- Follow ------------------------------------------------------------- */

/* Handle HUGZ or an update. Ignore an update that the snapshot contains. Return
 * NULL, or why the replica may be wrong from now on. */
static const char *handle_message(struct client *self, zg_msg *msg)
{
    int64_t number = kv_number(msg);

    if (zg_is(msg, KV_KEY, CHP_HUGZ)) {
        if (!self->has_hugz)
            return "the server does send HUGZ";
        if (!zg_equal(&msg->frame[KVSIMPLE_VALUE], &self->epoch))
            return "the server has restarted";
        return NULL;
    }
    if (number <= self->received)
        return "the server has restarted";
    self->received = number;
    if (number > self->sequence) {
        self->sequence = number;
        table_update(self->table, msg, 0);
    }
    return NULL;
}

static bool is_done(struct client *self)
{
    return self->count > 0 && self->sequence >= self->count;
}

/* Follow the server. Return true to join again; false if all is done, or on
 * shutdown. */
static bool follow(struct client *self)
{
    const char *reason = NULL;
    zg_msg msg = { 0 };
    int result = 1;

    while (result == 1 && reason == NULL && !is_done(self)) {
        int64_t deadline = zg_now() + self->timeout;
        result = receive(&msg, self->updates,
                         self->has_hugz ? deadline : ZG_FOREVER);
        if (result == 1)
            reason = handle_message(self, &msg);
        if (result == 0)
            reason = "the server is silent";
    }
    if (reason != NULL)
        fprintf(stderr, "W: %s: joining again\n", reason);
    zg_clear(&msg);
    return reason != NULL;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    struct client self = { .count = zg_number('n') };
    self.timeout = zg_number('t');
    if (self.timeout < 2 * CHP_HUGZ_MS)
        zg_usage_error();
    self.ctx = zg_start();
    self.table = table_new();
    zmq_msg_init(&self.epoch);
    while (join(&self) && follow(&self))
        continue;
    table_report(self.table, self.sequence);
    table_destroy(&self.table);
    zmq_msg_close(&self.epoch);
    zmq_close(self.updates);
    zg_stop(self.ctx);
    return EXIT_SUCCESS;
}
