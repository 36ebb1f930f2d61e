/* SPDX-License-Identifier: 0BSD */
/* clonesrv6.c - one of a pair of servers with the same table.
 *
 *     clients, the peer ---> ROUTER P             PUB P+1 ---> clients,
 *     clients, the peer ---> SUB P+2                           the peer
 *                              clonesrv6
 *           P = 5556, 5566      (this)      PUB, SUB <===> the peer, 5003, 5004
 *
 * The two are a Binary Star pair (bstar.h). The active server works as
 * clonesrv5: it numbers, stores and publishes updates. The passive one keeps a
 * replica of its table. A client sends each update to both servers, and sends
 * it again until the active one has published it. A server recognizes an update
 * by its uuid, from a client or from the peer.
 *
 * The passive server holds an update of a client until the active one has
 * published it (pending.h). When the passive server becomes active, it
 * publishes the updates that it holds, so they are not lost with the other
 * server. After one second it passes a held update on to the active server,
 * since the client may reach only one of the two.
 *
 * If the link between the two fails and both are active, each holds the updates
 * that it publishes. When the link is back, one of them yields: it fetches the
 * table of the other, and passes on the updates that it holds. If both have set
 * the same key, one of the two values is lost.
 *
 * The table is lost if both servers are down, or if the active one fails before
 * the other has a snapshot. There is no disk.
 *
 * Build: cc -Icommon -Ich4-reliability ch5-pubsub/clonesrv6.c
 *           ch5-pubsub/pending.c ch5-pubsub/replica.c ch5-pubsub/snapshots.c
 *           ch5-pubsub/kvmsg.c ch5-pubsub/table.c ch4-reliability/bstar.c
 *           -o clonesrv6 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv6 -p & bin/clonesrv6 -b & bin/clonecli6 -n 3 -v
 *     I: backup -> passive: the peer is active
 *     I: /client/... = ...
 *     ... keys, sequence ..., digest ...
 *
 * Guide: chapter 5, "Adding the Binary Star Pattern for Reliability".
 */
#include "bstar.h"
#include "kvmsg.h"
#include "pending.h"
#include "replica.h"
#include "snapshots.h"

static const char usage[] =
    "clonesrv6 -p|-b [-i MS] [SNAPSHOT [STATE [PEER [PEERSTATE]]]]\n"
    "One of a pair of servers with the same table; it binds P, P+1 and P+2.\n"
    "  -p         the primary\n"
    "  -b         the backup\n"
    "  -i MS      interval of state messages and of HUGZ, at least 10 (1000)\n"
    "  SNAPSHOT   bind (tcp://127.0.0.1:5556), backup: 5566\n"
    "  STATE      bind (tcp://127.0.0.1:5003), backup: 5004\n"
    "  PEER       connect (tcp://localhost:5566), backup: 5556\n"
    "  PEERSTATE  connect (tcp://localhost:5004), backup: 5003\n"
    "Peers: clonesrv6 PEER PEERSTATE SNAPSHOT STATE, clonecli6 SNAPSHOT PEER\n";

static const char *backup_endpoints[] = {
    "tcp://127.0.0.1:5566",
    "tcp://127.0.0.1:5004",
    "tcp://localhost:5556",
    "tcp://localhost:5003",
};

enum {
    SNAPSHOT_MS = 1,        /* between two batches of the snapshots */
    REPLICA_MS = 100,       /* between two calls of replica_tick() */
    TIMEOUT_INTERVALS = 10, /* without a message, then join again */
    DELETED_MS = 60000,     /* to remember that a key was deleted */
    MAX_DELETED = 100000,
    HELD_INTERVALS = 3, /* then a peer that is heard has the update */
    TERM = 1000000000,  /* a server that becomes active continues from the next
                         * multiple of it */
};

struct server {
    void *ctx, *peer_ctx; /* a slow name lookup must not delay the clients */
    bstar *star;
    int64_t interval;
    void *snapshot, *publisher, *collector;
    void *forward;          /* to the collector of the peer */
    struct replica replica; /* its table is ours while we are active */
    void *followed;         /* the socket of the replica that bstar polls */
    char peer_publisher[256];
    pending *pending;
    int64_t silent_at;          /* when the peer was last silent */
    struct kvmsg_writer writer; /* of the updates that have no uuid */
    snapshots *snapshots;
    bool is_sending; /* snapshots, by a timer */
    int send_timer;
    table *deleted; /* the updates that have deleted keys, for 60 s */
};

/* ---- The last update of a key ------------------------------------------- */

/* Return the last update of this key, which has set or deleted it, or NULL. */
static item *last_update(struct server *self, zg_msg *update)
{
    zmq_msg_t *key = &update->frame[KV_KEY];
    item *it = table_find(self->replica.table, key);
    return it != NULL ? it : table_find(self->deleted, key);
}

/* If the update deletes its key, remember it for DELETED_MS, without its
 * properties, which can be large. */
static void remember_delete(struct server *self, zg_msg *update)
{
    zg_msg bare = { 0 };
    if (zmq_msg_size(&update->frame[KVMSG_VALUE]) > 0)
        return;
    zg_append(&bare, update->frame, 3); /* [key][number][uuid] */
    zg_insert(&bare, KVMSG_PROPERTIES, "", 0);
    zg_insert(&bare, KVMSG_VALUE, "", 0);
    table_put(self->deleted, &bare, zg_now());
    zg_clear(&bare);
    if (table_count(self->deleted) > MAX_DELETED)
        table_remove(self->deleted, table_first_timed(self->deleted));
}

static void forget_deletes(struct server *self)
{
    item *it;
    while ((it = table_first_timed(self->deleted)) != NULL
           && item_time(it) <= zg_now() - DELETED_MS)
        table_remove(self->deleted, it);
}

/* ---- Active ------------------------------------------------------------- */

/* An update of a client, or of the peer that passes it on, is
 *     applied     publish the present value of its key again: republish(),
 *     outdated    drop it,
 *     or new      publish it: publish_new().
 * collect() below makes the decision. */

/* Number, store and publish an update, and empty the message. */
static void publish_one(struct server *self, zg_msg *update)
{
    kv_set_number(update, ++self->replica.sequence);
    snapshots_count_update(self->snapshots, update);
    table_update(self->replica.table, update, kvmsg_expires_at(update));
    remember_delete(self, update);
    zg_send(update, self->publisher, 0);
    zg_clear(update); /* not sent during shutdown */
}

/* Publish a new update, and hold it: a pending_visitor. */
static void publish_new(void *arg, zg_msg *update)
{
    struct server *self = arg;
    kvmsg_set_property(update, "known", NULL);
    if (!kvmsg_has_uuid(update))
        kvmsg_set_uuid(update, &self->writer);
    pending_we_published(self->pending, update);
    publish_one(self, update);
}

/* Publish the present value of the key again, with the uuid of this update: its
 * sender waits for that uuid. If the present value is a later update of the
 * same writer, it keeps its own uuid, which confirms that update. */
static void republish(struct server *self, zg_msg *update)
{
    zmq_msg_t *key = &update->frame[KV_KEY];
    item *it = table_find(self->replica.table, key);
    item *last = last_update(self, update);
    zg_msg current = { 0 };

    if (it != NULL)
        kvmsg_load(it, &current);
    else if (last != NULL)
        item_append(last, &current);
    else
        kvmsg_make(&current, zmq_msg_data(key), zmq_msg_size(key), "", 0);
    if (last == NULL || kvmsg_compare_by_writer(update, last) >= 0)
        zmq_msg_copy(&current.frame[KVMSG_UUID], &update->frame[KVMSG_UUID]);
    publish_one(self, &current);
}

/* Return true if this update, or a later one of the same writer, is applied. A
 * known uuid is not enough if the table has an earlier update of that writer:
 * the peer's table has replaced ours, without this update. */
static bool is_applied(struct server *self, zg_msg *update)
{
    item *it = last_update(self, update);
    int order = it != NULL ? kvmsg_compare_by_writer(update, it) : 0;
    return order < 0 || (order == 0 && pending_is_known(self->pending, update));
}

/* Return true for an update that the peer has passed on, if another writer has
 * set the key since the peer's last known number. Publishing it would overwrite
 * a newer value. The peer passes a client's update on again, with a higher
 * number. */
static bool is_outdated(struct server *self, zg_msg *update)
{
    int64_t known = kvmsg_number_property(update, "known");
    item *it = last_update(self, update);
    return known != -1 && it != NULL && kvmsg_compare_by_writer(update, it) == 0
           && kvmsg_item_number(it) > known;
}

static int send_snapshots(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;
    (void) msg, (void) sock;

    if (snapshots_send(self->snapshots, self->replica.table) == ZG_FOREVER) {
        bstar_timer_end(self->star, self->send_timer);
        self->is_sending = false;
    }
    return 0;
}

/* [client][ICANHAZ?][subtree]. The reactor has already counted the request as a
 * vote. */
static int begin_snapshot(zg_msg *request, void *sock, void *arg)
{
    struct server *self = arg;
    (void) sock;

    if (!snapshots_begin(self->snapshots, request, self->replica.sequence)) {
        zg_drop(request, "a client");
        return 0;
    }
    if (!self->is_sending)
        self->send_timer =
            bstar_timer(self->star, SNAPSHOT_MS, send_snapshots, self);
    self->is_sending = true;
    return 0;
}

/* Delete the keys whose ttl has ended. */
static void expire(struct server *self)
{
    zg_msg update = { 0 };
    item *next;

    for (item *it = table_first_timed(self->replica.table); it != NULL;
         it = next) {
        next = item_next_timed(it);
        if (item_time(it) > zg_now())
            continue;
        kvmsg_make_delete(&update, it);
        publish_new(self, &update);
    }
}

/* ---- Passive ------------------------------------------------------------ */

static int follow(zg_msg *msg, void *sock, void *arg);

/* Let bstar poll the present socket of the replica. */
static void read_replica(struct server *self)
{
    if (replica_socket(&self->replica) == self->followed)
        return;
    if (self->followed != NULL)
        bstar_reader_end(self->star, self->followed);
    self->followed = replica_socket(&self->replica);
    bstar_reader(self->star, self->followed, follow, self);
}

/* A message from the active server: an update, HUGZ, or a snapshot. */
static int follow(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;
    enum replica_change change = replica_handle_message(&self->replica, msg);
    (void) sock;

    if (change == REPLICA_UPDATED) {
        pending_peer_published(self->pending, msg);
        remember_delete(self, msg);
    }
    if (change == REPLICA_REPLACED)
        pending_peer_has(self->pending, self->replica.table);
    read_replica(self);
    return 0;
}

static int check_replica(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;
    (void) msg, (void) sock;

    replica_tick(&self->replica); /* this timer calls it often enough */
    read_replica(self);
    return 0;
}

/* Send an update to the active server, with the last number that we know: a
 * pending_visitor. */
static void pass_on(void *arg, zg_msg *update)
{
    struct server *self = arg;
    char known[24];
    snprintf(known, sizeof known, "%lld", (long long) self->replica.sequence);
    kvmsg_set_property(update, "known", known);
    zg_send(update, self->forward, ZMQ_DONTWAIT); /* or again, later */
}

/* ---- Both --------------------------------------------------------------- */

/* [key][number][uuid][properties][value], from a client or the peer. */
static int collect(zg_msg *update, void *sock, void *arg)
{
    struct server *self = arg;
    bool is_active = bstar_is_active(self->star);
    (void) sock;

    if (!kvmsg_is_valid(update) || !kvmsg_is_acceptable(update)) {
        zg_drop(update, "a client");
    } else if (is_active && is_applied(self, update)) {
        republish(self, update); /* needs no room */
    } else if (!table_has_room(self->replica.table, update)) {
        fprintf(stderr, "W: the table is full: an update is dropped\n");
    } else if (!is_active) {
        pending_client_sent(self->pending, update);
    } else if (!is_outdated(self, update)) {
        publish_new(self, update);
    }
    return 0;
}

/* Begin a new epoch: abort all snapshots. */
static void begin_epoch(struct server *self)
{
    snapshots_destroy(&self->snapshots);
    self->snapshots = snapshots_new(self->snapshot, KVMSG_FRAMES, kvmsg_load);
}

/* Publish a held update, unless the peer has published a later one of the same
 * writer: a pending_visitor. */
static void publish_held(void *arg, zg_msg *update)
{
    struct server *self = arg;
    item *it = last_update(self, update);
    if (it == NULL || kvmsg_compare_by_writer(update, it) >= 0)
        publish_new(self, update);
}

/* Continue from the next multiple of TERM above the last number that this
 * server knows, or from 0 if it has never joined the other one. A peer that
 * was active alone may have used higher numbers; clients detect the new epoch,
 * so that is harmless.
 *
 * Publish the held updates that the table lacks: 100,000 take about a second.
 * If this takes longer than the lease, this server is no longer active. The
 * next call does not publish them again, since the table has them. */
static int become_active(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;
    (void) msg, (void) sock;

    if (self->replica.state != REPLICA_IDLE || self->replica.sequence > 0)
        self->replica.sequence = (self->replica.sequence / TERM + 1) * TERM;
    replica_leave(&self->replica);
    read_replica(self);
    begin_epoch(self);
    pending_take_missing(self->pending, self->replica.table, publish_held,
                         self);
    snapshots_publish_hugz(self->snapshots, self->publisher,
                           self->replica.sequence);
    return 0;
}

static int become_passive(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;
    (void) msg, (void) sock;

    begin_epoch(self);
    replica_join(&self->replica, zg_value[2], self->peer_publisher);
    read_replica(self);
    return 0;
}

/* Drop the updates that were published HELD_INTERVALS ago if the peer has been
 * heard all this time: its replica has received them. After the peer returns,
 * wait HELD_INTERVALS again, since it must fetch a snapshot first. */
static void release_updates(struct server *self)
{
    int64_t wait = HELD_INTERVALS * self->interval;
    if (!bstar_hears_peer(self->star))
        self->silent_at = zg_now();
    else if (zg_now() >= self->silent_at + wait)
        pending_expire(self->pending, wait);
}

static int every_interval(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;
    (void) msg, (void) sock;

    forget_deletes(self);
    if (bstar_is_active(self->star)) {
        release_updates(self);
        expire(self);
        snapshots_publish_hugz(self->snapshots, self->publisher,
                               self->replica.sequence);
    } else if (self->replica.state == REPLICA_FOLLOWING) {
        pending_pass_on(self->pending, pass_on, self);
    }
    return 0;
}

static void open_all(struct server *self, bool is_primary, long interval)
{
    char endpoint[256];

    self->interval = interval;
    self->star =
        bstar_new(self->ctx, is_primary, zg_value[1], zg_value[3], interval);
    self->publisher = zg_socket(self->ctx, ZMQ_PUB);
    self->collector = zg_socket(self->ctx, ZMQ_SUB);
    self->forward = zg_socket(self->peer_ctx, ZMQ_PUB);
    zg_set(self->publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    chp_prepare_sender(self->forward);
    zg_set(self->collector, ZMQ_RCVHWM, CHP_CLIENT_QUEUE);
    zg_must(zmq_setsockopt(self->collector, ZMQ_SUBSCRIBE, "", 0));
    zg_bind(self->publisher, "publisher",
            chp_endpoint(endpoint, zg_value[0], 1));
    zg_bind(self->collector, "collector",
            chp_endpoint(endpoint, zg_value[0], 2));
    zg_connect(self->forward, chp_endpoint(endpoint, zg_value[2], 2));
    strcpy(self->peer_publisher, chp_endpoint(endpoint, zg_value[2], 1));
    self->snapshot = bstar_voter(self->star, zg_value[0], begin_snapshot, self);
    self->snapshots = snapshots_new(self->snapshot, KVMSG_FRAMES, kvmsg_load);
    self->pending = pending_new();
    self->deleted = table_new();
    self->writer = kvmsg_new_writer();
    replica_init(&self->replica, self->peer_ctx, KVMSG_FRAMES, "",
                 self->interval * TIMEOUT_INTERVALS);
    bstar_reader(self->star, self->collector, collect, self);
    bstar_new_active(self->star, become_active, self);
    bstar_new_passive(self->star, become_passive, self);
    bstar_timer(self->star, interval, every_interval, self);
    bstar_timer(self->star, REPLICA_MS, check_replica, self);
}

static void close_all(struct server *self)
{
    table_report(self->replica.table, self->replica.sequence);
    snapshots_destroy(&self->snapshots);
    pending_destroy(&self->pending);
    table_destroy(&self->deleted);
    replica_destroy(&self->replica);
    bstar_destroy(&self->star);
    zmq_close(self->publisher);
    zmq_close(self->collector);
    zmq_close(self->forward);
    chp_detach_context(self->peer_ctx);
}

int main(int argc, char *argv[])
{
    char **given = zg_args(argc, argv, usage);
    bool is_primary = zg_value['p'] != NULL;
    long interval = zg_number('i');
    int count = 0;

    if (is_primary == (zg_value['b'] != NULL) || interval < 10)
        zg_usage_error();
    while (given[count] != NULL)
        count++;
    for (; !is_primary && count < 4; count++)
        zg_value[count] = backup_endpoints[count];
    if (strlen(zg_value[2]) > CHP_ENDPOINT_MAX)
        zg_usage_error();

    struct server self = { .ctx = zg_start() };
    self.peer_ctx = zmq_ctx_new();
    open_all(&self, is_primary, interval);
    bstar_start(self.star);
    close_all(&self);
    zg_stop(self.ctx);
    return EXIT_SUCCESS;
}
