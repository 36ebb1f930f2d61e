/* SPDX-License-Identifier: 0BSD */
/* replica.c - the steps by which a client joins and follows a server. */
#include "replica.h"

#include <inttypes.h>

enum {
    TICK_MS = 100,
    RETRY_MS = 1000,
    DESCRIPTORS = 8, /* of two sockets and their connections, and some more */
};

void replica_init(struct replica *self, void *ctx, int frames,
                  const char *subtree, int64_t timeout)
{
    *self = (struct replica){ .ctx = ctx, .frames = frames };
    if (subtree != NULL) {
        self->has_subtree = true;
        self->subtree_size = strlen(subtree);
        memcpy(self->subtree, subtree, self->subtree_size);
    }
    self->timeout = timeout;
    self->unconnected = zg_socket(ctx, ZMQ_SUB);
    zmq_msg_init(&self->epoch);
    self->table = table_new();
    self->loading = table_new();
}

static void close_socket(void **sock)
{
    if (*sock != NULL)
        zmq_close(*sock);
    *sock = NULL;
}

void replica_leave(struct replica *self)
{
    close_socket(&self->updates);
    close_socket(&self->snapshot);
    self->state = REPLICA_IDLE;
}

void replica_destroy(struct replica *self)
{
    replica_leave(self);
    zmq_close(self->unconnected);
    table_destroy(&self->table);
    table_destroy(&self->loading);
    zmq_msg_close(&self->epoch);
}

/* ---- Join --------------------------------------------------------------- */

/* Connect a new socket for snapshots: a new socket receives no message of an
 * earlier join. With `immediate` it is writable only when the server has
 * accepted the connection. */
static void open_snapshot(struct replica *self, bool immediate)
{
    close_socket(&self->snapshot);
    self->snapshot = zg_socket(self->ctx, ZMQ_DEALER);
    zg_set(self->snapshot, ZMQ_LINGER, 0);
    zg_set(self->snapshot, ZMQ_IMMEDIATE, immediate);
    zg_connect(self->snapshot, self->server);
}

/* Log and return false if this process lacks descriptors for new sockets, as a
 * server with many clients may: libzmq could end the process. */
static bool has_descriptors(void)
{
    int fd[DESCRIPTORS], count = 0;
    while (count < DESCRIPTORS && (fd[count] = dup(STDERR_FILENO)) != -1)
        count++;
    for (int i = 0; i < count; i++)
        close(fd[i]);
    if (count < DESCRIPTORS)
        fprintf(stderr, "W: too many open descriptors: joining later\n");
    return count == DESCRIPTORS;
}

void replica_join(struct replica *self, const char *server,
                  const char *publisher)
{
    replica_leave(self);
    self->server = server;
    self->publisher = publisher;
    self->state = REPLICA_JOINING;
    self->received = INT64_MIN;
    self->has_hugz = false;
    self->has_voted = false;
    zmq_msg_close(&self->epoch);
    zmq_msg_init(&self->epoch);
    self->heard_at = zg_now();
    self->fetch_at = ZG_FOREVER;
    if (!has_descriptors())
        return;
    self->updates = zg_socket(self->ctx, ZMQ_SUB);
    zg_set(self->updates, ZMQ_RCVHWM, CHP_CLIENT_QUEUE);
    /* The server receives both subscriptions in this order: HUGZ proves that
     * it has the subtree's. After a reconnect the order can differ, but then
     * a number or a count reveals a missed update (in model 4 nothing does). */
    zg_must(zmq_setsockopt(self->updates, ZMQ_SUBSCRIBE, self->subtree,
                           self->subtree_size));
    zg_connect(self->updates, publisher);
    zg_must(zmq_setsockopt(self->updates, ZMQ_SUBSCRIBE, CHP_HUGZ,
                           strlen(CHP_HUGZ)));
    open_snapshot(self, true);
}

static void join_again(struct replica *self, const char *reason)
{
    fprintf(stderr, "W: %s: joining again\n", reason);
    replica_join(self, self->server, self->publisher);
}

static bool is_connected(struct replica *self)
{
    int events = 0; /* it remains 0 during shutdown */
    zmq_getsockopt(self->snapshot, ZMQ_EVENTS, &events,
                   &(size_t){ sizeof events });
    return (events & ZMQ_POLLOUT) != 0;
}

/* [ICANHAZ?] or [ICANHAZ?][subtree] */
static bool request_snapshot(struct replica *self)
{
    zg_msg request = { 0 };
    zg_insert(&request, 0, CHP_ICANHAZ, strlen(CHP_ICANHAZ));
    if (self->has_subtree)
        zg_insert(&request, 1, self->subtree, self->subtree_size);
    bool is_sent = zg_send(&request, self->snapshot, ZMQ_DONTWAIT);
    zg_clear(&request);
    return is_sent;
}

bool replica_vote(struct replica *self)
{
    bool is_waiting = self->state == REPLICA_JOINING
                      || (self->state == REPLICA_FETCHING && !self->has_hugz);
    bool is_sent =
        is_waiting && self->snapshot != NULL && request_snapshot(self);
    self->has_voted = self->has_voted || is_sent;
    return is_sent;
}

/* Request the snapshot. Without descriptors, replica_tick() tries again. */
static void fetch(struct replica *self)
{
    self->fetch_at = zg_now() + RETRY_MS;
    if (!has_descriptors())
        return;
    table_destroy(&self->loading); /* of an incomplete snapshot */
    self->loading = table_new();
    self->state = REPLICA_FETCHING;
    self->heard_at = zg_now();
    /* The new socket does not receive the reply to a vote. */
    if (self->has_voted || !is_connected(self))
        open_snapshot(self, false);
    request_snapshot(self); /* if it is not sent, the timeout joins again */
}

/* [KTHXBAI][number]...[subtree]: the table is complete. */
static void end_fetch(struct replica *self, zg_msg *kthxbai)
{
    table_destroy(&self->table);
    self->table = self->loading;
    self->loading = table_new();
    self->sequence = kv_number(kthxbai);
    self->count = self->frames == KVMSG_FRAMES
                      ? kvmsg_number_property(kthxbai, "count")
                      : -1;
    self->checked = self->sequence;
    self->state = REPLICA_FOLLOWING;
    close_socket(&self->snapshot);
    printf("I: snapshot of %zu keys, up to update %" PRId64 "\n",
           table_count(self->table), self->sequence);
    if (self->count == -1 && self->frames == KVMSG_FRAMES
        && self->subtree_size > 0)
        fprintf(stderr, "W: the server does not count the updates of this "
                        "subtree: a missed one is not detected\n");
}

/* ---- Follow ------------------------------------------------------------- */

/* Return the count of our subtree in this HUGZ, or -1. */
static int64_t count_in(struct replica *self, zg_msg *hugz)
{
    char name[sizeof "count." + 2 * CHP_KEY_MAX];
    chp_count_name(name, self->subtree, self->subtree_size);
    return kvmsg_number_property(hugz, name);
}

/* Compare the server's epoch and count with ours. Ignore the count of a HUGZ
 * that was published before our snapshot. */
static void check(struct replica *self, zg_msg *hugz)
{
    if (!self->has_hugz) {
        join_again(self, "the server does send HUGZ");
    } else if (!zg_equal(&self->epoch, &hugz->frame[self->frames - 1])) {
        join_again(self, "the server has restarted");
    } else if (self->frames == KVMSG_FRAMES && self->count != -1
               && kvmsg_number_property(hugz, "number") >= self->sequence) {
        int64_t count = count_in(self, hugz);
        if (count != -1 && count != self->count)
            join_again(self, "an update was missed");
        else
            self->checked = kvmsg_number_property(hugz, "number");
    }
}

static int64_t expires_at(struct replica *self, zg_msg *msg)
{
    return self->frames == KVMSG_FRAMES ? kvmsg_expires_at(msg) : 0;
}

/* Apply an update that the snapshot does not have. */
static enum replica_change apply(struct replica *self, zg_msg *update)
{
    int64_t number = kv_number(update);

    if (number <= self->received) {
        join_again(self, "the server has restarted");
        return REPLICA_UNCHANGED;
    }
    self->received = number;
    if (number <= self->sequence)
        return REPLICA_UNCHANGED;
    if (self->subtree_size == 0 && number - 1 != self->sequence) {
        join_again(self, "an update was missed");
        return REPLICA_UNCHANGED;
    }
    self->sequence = number;
    if (self->count != -1)
        self->count++;
    table_update(self->table, update, expires_at(self, update));
    return REPLICA_UPDATED;
}

/* ---- Messages and time -------------------------------------------------- */

void *replica_socket(struct replica *self)
{
    if (self->state == REPLICA_FETCHING)
        return self->snapshot;
    return self->updates != NULL ? self->updates : self->unconnected;
}

/* Numbers are from 0 to CHP_NUMBER_MAX, so that additions do not overflow. */
static bool is_valid(struct replica *self, zg_msg *msg)
{
    bool is_message = self->frames == KVMSG_FRAMES
                          ? kvmsg_is_valid(msg)
                          : kv_is_valid(msg, self->frames);
    return is_message && kv_number(msg) >= 0
           && kv_number(msg) <= CHP_NUMBER_MAX;
}

enum replica_change replica_handle_message(struct replica *self, zg_msg *msg)
{
    if (!is_valid(self, msg)) {
        zg_drop(msg, "the server");
        return REPLICA_UNCHANGED;
    }
    bool is_hugz = zg_is(msg, KV_KEY, CHP_HUGZ);
    bool is_ours = kv_is_below(msg, self->subtree, self->subtree_size);

    self->heard_at = zg_now();
    if (self->state == REPLICA_JOINING && is_hugz) {
        zmq_msg_copy(&self->epoch, &msg->frame[self->frames - 1]);
        self->has_hugz = true;
        fetch(self);
    } else if (self->state == REPLICA_FETCHING) {
        if (zg_is(msg, KV_KEY, CHP_KTHXBAI)) {
            end_fetch(self, msg);
            return REPLICA_REPLACED;
        }
        if (is_ours)
            table_update(self->loading, msg, expires_at(self, msg));
    } else if (self->state == REPLICA_FOLLOWING && is_hugz) {
        check(self, msg);
    } else if (self->state == REPLICA_FOLLOWING && is_ours) {
        return apply(self, msg);
    }
    return REPLICA_UNCHANGED;
}

bool replica_is_silent(const struct replica *self)
{
    return zg_now() - self->heard_at >= self->timeout;
}

int64_t replica_tick(struct replica *self)
{
    int64_t now = zg_now();

    switch (self->state) {
    case REPLICA_IDLE:
        return ZG_FOREVER;
    case REPLICA_JOINING:
        if (self->updates == NULL) { /* there were no descriptors */
            if (now >= self->heard_at + RETRY_MS)
                replica_join(self, self->server, self->publisher);
            return now + TICK_MS;
        }
        if (self->fetch_at == ZG_FOREVER && is_connected(self))
            self->fetch_at = now + CHP_NO_HUGZ_MS;
        if (now >= self->fetch_at)
            fetch(self);
        return now + TICK_MS;
    case REPLICA_FOLLOWING:
        if (!self->has_hugz)
            return ZG_FOREVER;
        break;
    case REPLICA_FETCHING:
        break;
    }
    if (!replica_is_silent(self))
        return self->heard_at + self->timeout;
    join_again(self, "the server is silent");
    return now + TICK_MS;
}
