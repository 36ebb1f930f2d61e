/* SPDX-License-Identifier: 0BSD */
/* clonesrv6.c - one of a pair of servers that hold the same table.
 *
 *     clients ---> ROUTER P            PUB P+1 ---> clients, the other
 *     clients, the other ---> SUB P+2
 *                       clonesrv6      PUB, SUB <===> the other   5003, 5004
 *      P = 5556, 5566    (this)        SUB <--- PUB of the other
 *
 * Clients send each update to both. The active one numbers it, keeps it and
 * publishes it. The passive one keeps what the active publishes and, as
 * pending, what clients have sent and the active has not published yet; that is
 * the first thing it does when it takes over. An update has a uuid, by which it
 * is known wherever it comes from: whoever has it already does not do it again.
 *
 * An active without its peer holds what it does as pending too. If it turns out
 * that both were active, the one that yields takes the other's table, and
 * passes on what is pending, as if it were a client.
 *
 * Build: cc -Icommon -Ich4-reliability ch5-pubsub/clonesrv6.c
 *           ch5-pubsub/kvmsg.c ch5-pubsub/kvmap.c ch5-pubsub/hugz.c
 *           ch5-pubsub/snapshots.c ch5-pubsub/pending.c ch5-pubsub/replica.c
 *           ch4-reliability/bstar.c
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
#include "chp.h"
#include "pending.h"
#include "replica.h"
#include "snapshots.h"

static const char usage[] =
    "clonesrv6 -p|-b [-i MS] [SNAPSHOT [STATE [PEER [PEERSTATE]]]]\n"
    "One of a pair of servers with the same table; it binds P, P+1 and P+2.\n"
    "  -p         the primary\n"
    "  -b         the backup\n"
    "  -i MS      between two state messages, and two HUGZ (1000)\n"
    "  SNAPSHOT   bind (tcp://127.0.0.1:5556), backup: 5566\n"
    "  STATE      bind (tcp://127.0.0.1:5003), backup: 5004\n"
    "  PEER       connect (tcp://localhost:5566), backup: 5556\n"
    "  PEERSTATE  connect (tcp://localhost:5004), backup: 5003\n"
    "Peers: clonesrv6 PEER PEERSTATE SNAPSHOT STATE, clonecli6 SNAPSHOT PEER\n";

static const char *backup_place[] = {
    "tcp://127.0.0.1:5566",
    "tcp://127.0.0.1:5004",
    "tcp://localhost:5556",
    "tcp://localhost:5003",
};

enum {
    PUMP_MS = 1,       /* between two batches of a snapshot */
    HELD_MS = 3000,    /* then a peer that lives has what we published */
    PASS_ON_MS = 1000, /* then the active has not got what a client sent */
    TERM = 1000000000, /* numbers begin beyond all that the other has given */
};

struct server {
    void *ctx;
    bstar *star;
    void *clients, *publisher, *collector;
    void *forward;       /* to the collector of the other */
    struct replica copy; /* of the other's table; when active, ours */
    pending *pending;
    snapshots *readers;
    bool pumping;
    int pump; /* the timer by which snapshots go out */
    char epoch[HUGZ_STAMP];
    int64_t ticks[2]; /* our numbers at the last two intervals */
};

/* ---- Active ------------------------------------------------------------- */

/* Number it, keep it, publish it; update is empty then. */
static void apply(struct server *self, zg_msg *update)
{
    kv_set_number(update, ++self->copy.sequence);
    kvmap_store(self->copy.map, update, kvmsg_expires(update));
    zg_send(update, self->publisher, 0);
    zg_clear(update); /* it is not sent if we are to stop */
}

/* What the client asks for was done, maybe undone since: to tell it that, say
 * again what the key is now, by the name of this update. */
static void confirm(struct server *self, zg_msg *update)
{
    zmq_msg_t *key = &update->frame[KV_KEY];
    kvitem *item =
        kvmap_find(self->copy.map, zmq_msg_data(key), zmq_msg_size(key));
    zg_msg now = { 0 };

    if (item != NULL)
        kvmsg_load(item, &now);
    else
        kvmsg_make(&now, zmq_msg_data(key), zmq_msg_size(key), 0, "", 0);
    zmq_msg_copy(&now.frame[KVMSG_UUID], &update->frame[KVMSG_UUID]);
    apply(self, &now);
    zg_clear(&now);
}

/* It is new, or it is pending and we take over. */
static void take(void *arg, zg_msg *update)
{
    struct server *self = arg;

    if (!kvmsg_has_uuid(update))
        kvmsg_set_uuid(update);
    pending_seen(self->pending, update);
    pending_hold(self->pending, update);
    apply(self, update);
}

/* [key][number][uuid][properties][value], from a client or from the other */
static int collect(zg_msg *update, void *sock, void *arg)
{
    struct server *self = arg;
    bool active = bstar_is_active(self->star);

    (void) sock;
    if (!kvmsg_valid(update) || kvmsg_reserved(update))
        zg_drop(update, "a client");
    else if (!active)
        pending_await(self->pending, update);
    else if (pending_outdated(update, self->copy.map, self->ticks[1]))
        return 0;
    else if (kvmsg_has_uuid(update) && pending_seen(self->pending, update))
        confirm(self, update);
    else
        take(self, update);
    return 0;
}

static int pump(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;
    char stamp[HUGZ_STAMP];

    (void) msg, (void) sock;
    hugz_stamp(stamp, self->epoch, self->copy.sequence);
    self->pumping =
        snapshots_send(self->readers, self->copy.map, stamp) != ZG_FOREVER;
    if (!self->pumping)
        bstar_timer_end(self->star, self->pump);
    return 0;
}

/* [client][ICANHAZ?][subtree]; without the last frame it is all. */
static int answer(zg_msg *request, void *sock, void *arg)
{
    struct server *self = arg;

    (void) sock;
    if (!snapshots_begin(self->readers, request, self->copy.sequence)) {
        zg_drop(request, "a client");
        return 0;
    }
    hugz_watch(self->copy.map, request);
    if (!self->pumping)
        self->pump = bstar_timer(self->star, PUMP_MS, pump, self);
    self->pumping = true;
    return 0;
}

static void say_hugz(struct server *self)
{
    hugz_send(self->publisher, self->copy.map, self->epoch,
              self->copy.sequence);
}

/* Delete what has expired: [key][number][][][] */
static void expire(struct server *self)
{
    kvitem *item;
    zg_msg update = { 0 };

    while ((item = kvmap_expired(self->copy.map, zg_now())) != NULL) {
        kvmsg_make_delete(&update, item);
        apply(self, &update);
    }
}

/* ---- Passive ------------------------------------------------------------ */

/* From the active: an update, HUGZ, or its table */
static int follow(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;
    enum replica_news news = replica_take(&self->copy, msg);
    void *next = replica_socket(&self->copy);

    if (news == UPDATED)
        pending_done(self->pending, msg);
    if (news == REPLACED) {
        pending_settle(self->pending, self->copy.map);
        printf("I: got %zu keys from the active\n",
               kvmap_count(self->copy.map));
    }
    if (next != sock) {
        bstar_reader_end(self->star, sock);
        bstar_reader(self->star, next, follow, self);
    }
    return 0;
}

static void stop_following(struct server *self)
{
    if (self->copy.state != NOWHERE)
        bstar_reader_end(self->star, replica_socket(&self->copy));
    replica_leave(&self->copy);
}

static void begin_following(struct server *self)
{
    stop_following(self);
    replica_visit(&self->copy, zg_value[2]);
    bstar_reader(self->star, replica_socket(&self->copy), follow, self);
}

/* The number tells up to where we have followed it: see pending_outdated(). */
static void pass_on(void *arg, zg_msg *update)
{
    struct server *self = arg;

    kv_set_number(update, self->copy.sequence + 1);
    zg_send(update, self->forward, ZMQ_DONTWAIT);
}

/* ---- Both --------------------------------------------------------------- */

static int become_active(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;

    (void) msg, (void) sock;
    stop_following(self);
    hugz_epoch(self->epoch);
    if (self->copy.sequence > 0)
        self->copy.sequence = (self->copy.sequence / TERM + 1) * TERM;
    pending_take(self->pending, take, self);
    say_hugz(self);
    return 0;
}

/* Whoever was in the middle of a snapshot will ask the active. */
static int become_passive(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;

    (void) msg, (void) sock;
    snapshots_destroy(&self->readers);
    self->readers = snapshots_new(self->clients, KVMSG_FRAMES, kvmsg_load);
    begin_following(self);
    return 0;
}

static int every_interval(zg_msg *msg, void *sock, void *arg)
{
    struct server *self = arg;

    (void) msg, (void) sock;
    if (bstar_is_active(self->star)) {
        if (bstar_hears_peer(self->star))
            pending_expire(self->pending, HELD_MS);
        expire(self);
        say_hugz(self);
        self->ticks[1] = self->ticks[0];
        self->ticks[0] = self->copy.sequence;
    } else if (self->copy.state != NOWHERE) {
        if (self->copy.state == FOLLOWING)
            pending_visit(self->pending, PASS_ON_MS, pass_on, self);
        if (zg_now() - self->copy.heard_at > CHP_SILENCE_MS)
            begin_following(self);
    }
    return 0;
}

static void open_sockets(struct server *self)
{
    char place[256];

    self->publisher = zg_socket(self->ctx, ZMQ_PUB);
    self->collector = zg_socket(self->ctx, ZMQ_SUB);
    self->forward = zg_socket(self->ctx, ZMQ_PUB);
    zg_set(self->publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    zg_set(self->collector, ZMQ_RCVHWM, CHP_CLIENT_QUEUE);
    zg_set(self->forward, ZMQ_SNDHWM, CHP_CLIENT_QUEUE);
    chp_forget_dead(self->forward);
    chp_forget_dead(self->collector);
    zg_must(zmq_setsockopt(self->collector, ZMQ_SUBSCRIBE, "", 0));
    zg_bind(self->publisher, "publisher", chp_endpoint(place, zg_value[0], 1));
    zg_bind(self->collector, "collector", chp_endpoint(place, zg_value[0], 2));
    zg_connect(self->forward, chp_endpoint(place, zg_value[2], 2));
    self->clients = bstar_voter(self->star, zg_value[0], answer, self);
    self->readers = snapshots_new(self->clients, KVMSG_FRAMES, kvmsg_load);
    bstar_reader(self->star, self->collector, collect, self);
}

static void close_all(struct server *self)
{
    kvmap_report(self->copy.map, self->copy.sequence);
    snapshots_destroy(&self->readers);
    bstar_destroy(&self->star);
    zmq_close(self->publisher);
    zmq_close(self->collector);
    zmq_close(self->forward);
    pending_destroy(&self->pending);
    replica_close(&self->copy);
}

int main(int argc, char *argv[])
{
    char **given = zg_args(argc, argv, usage);
    bool primary = zg_value['p'] != NULL, backup = zg_value['b'] != NULL;
    long interval = zg_number('i');
    int places = 0;

    if (primary == backup || interval == 0)
        zg_usage_error();
    while (given[places] != NULL)
        places++;
    for (; backup && places < 4; places++)
        zg_value[places] = backup_place[places];

    void *ctx = zg_start();
    struct server self = { .ctx = ctx };
    self.star = bstar_new(ctx, primary, zg_value[1], zg_value[3], interval);
    replica_init(&self.copy, ctx, "");
    self.pending = pending_new();
    open_sockets(&self);
    bstar_new_active(self.star, become_active, &self);
    bstar_new_passive(self.star, become_passive, &self);
    bstar_timer(self.star, interval, every_interval, &self);
    bstar_start(self.star);
    close_all(&self);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
