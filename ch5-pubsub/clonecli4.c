/* SPDX-License-Identifier: 0BSD */
/* clonecli4.c - shares one branch of the server's table.
 *
 *     DEALER ---> ROUTER clonesrv4 PUB ---> SUB clonecli4
 *            5556                      5557     (this)
 *              PUSH ---> PULL clonesrv4
 *                   5558
 *
 * It asks for the keys below a path and subscribes to the same, so the rest of
 * the table costs it nothing. Their numbers have gaps, for the rest has numbers
 * too: what clonecli3 took for a hole is the rule here, and a lost update can
 * no longer be told by its number. clonecli5 finds another way.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli4.c ch5-pubsub/kvsimple.c
 *           ch5-pubsub/kvmap.c ch5-pubsub/snapshots.c
 *           -o clonecli4 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv4 & bin/clonecli4 -n 5 & bin/clonecli4 -n 5
 *     I: snapshot of ... keys, up to update ...
 *     ... keys, sequence ..., digest ...
 *
 * Guide: chapter 5, "Working with Subtrees".
 */
#include "chp.h"
#include "kvsimple.h"
#include "snapshots.h"

static const char usage[] =
    "clonecli4 [-C] [-d DIR] [-n COUNT] [-m N] "
    "[SNAPSHOT [PUBLISHER [COLLECTOR]]]\n"
    "Keeps a copy of a part of the server's table, and sets keys in it.\n"
    "  -C         only keep the copy, set nothing\n"
    "  -d DIR     the part: what begins with this (/client/)\n"
    "  -n COUNT   keys to set, with -C updates to see; 0: until stopped (0)\n"
    "  -m N       keys to set per second; 0: as fast as it can (1)\n"
    "  SNAPSHOT   connect (tcp://localhost:5556)\n"
    "  PUBLISHER  connect (tcp://localhost:5557)\n"
    "  COLLECTOR  connect (tcp://localhost:5558)\n"
    "Peers: clonesrv4 SNAPSHOT PUBLISHER COLLECTOR\n";

enum { BATCH = 100 }; /* updates, then it is time to set some, and vice versa */

struct client {
    void *ctx, *updates, *collector;
    kvmap *map;
    int64_t sequence; /* of the last update that the table has */
    int64_t began;
    bool listens;  /* and sets nothing */
    bool back;     /* all is set: the last update has come back */
    uint64_t last; /* its mark */
    long rate;
    int64_t count, sent; /* INT64_MAX: until stopped */
};

/* A subscription that lives, and then a snapshot; see snapshots.c. */
static bool join(struct client *self)
{
    zg_msg end = { 0 };

    if (!snapshots_join(self->ctx, self->updates, zg_value[0], zg_value['d'],
                        KVSIMPLE_FRAMES, &self->map, &end))
        return false;
    self->sequence = kv_number(&end);
    zg_clear(&end);
    printf("I: snapshot of %zu keys, up to update %ld\n",
           kvmap_count(self->map), (long) self->sequence);
    return true;
}

static bool done(struct client *self)
{
    return self->listens ? self->sequence >= self->count : self->back;
}

/* Apply what has come, unless the snapshot had it. HUGZ has no number. */
static void follow(struct client *self)
{
    zg_msg update = { 0 };

    for (int i = 0; i < BATCH && !done(self); i++) {
        if (!kvsimple_recv(&update, self->updates, ZMQ_DONTWAIT))
            break;
        if (update.count == 0 || kv_number(&update) <= self->sequence
            || !kv_starts(&update, zg_value['d']))
            continue;
        self->sequence = kv_number(&update);
        self->back =
            self->sent == self->count && kv_mark(&update) == self->last;
        kvmap_store(self->map, &update, 0);
    }
    zg_clear(&update);
}

/* Send what is due; returns when to come again. */
static int64_t set_keys(struct client *self)
{
    int64_t now = zg_now(), due = (now - self->began) * self->rate / 1000;

    for (int i = 0; i < BATCH; i++) {
        if (self->listens || self->sent == self->count)
            return ZG_FOREVER;
        if (self->rate > 0 && self->sent >= due)
            return self->began + (self->sent + 1) * 1000 / self->rate;
        zg_msg update = { 0 };
        kvsimple_random(&update, zg_value['d'], 0);
        self->last = kv_mark(&update);
        bool sent = zg_send(&update, self->collector, ZMQ_DONTWAIT);
        zg_clear(&update);
        if (!sent)
            return now + 1; /* the server is away, or slower than we */
        self->sent++;
    }
    return now;
}

static void subscribe(void *updates, const char *prefix)
{
    zg_must(zmq_setsockopt(updates, ZMQ_SUBSCRIBE, prefix, strlen(prefix)));
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *updates = zg_socket(ctx, ZMQ_SUB);
    struct client self = { .ctx = ctx, .updates = updates };
    zmq_pollitem_t item = { updates, 0, ZMQ_POLLIN, 0 };
    self.listens = zg_value['C'] != NULL;
    self.count = zg_number('n') > 0 ? zg_number('n') : INT64_MAX;
    self.rate = zg_number('m');
    self.map = kvmap_new();
    self.collector = zg_socket(ctx, ZMQ_PUSH);
    zg_set(updates, ZMQ_RCVHWM, CHP_CLIENT_QUEUE);
    subscribe(updates, zg_value['d']);
    subscribe(updates, CHP_HUGZ); /* last: when it comes, the other lives too */
    zg_connect(updates, zg_value[1]);
    zg_connect(self.collector, zg_value[2]);
    bool going = join(&self);
    for (self.began = zg_now(); going && !done(&self);) {
        going = zg_poll(&item, 1, set_keys(&self)) != -1;
        follow(&self);
    }
    kvmap_report(self.map, self.sequence);
    kvmap_destroy(&self.map);
    zmq_close(updates);
    zmq_close(self.collector);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
