/* SPDX-License-Identifier: 0BSD */
/* clonecli5.c - sets keys that expire, and knows when its copy is wrong.
 *
 *     DEALER ---> ROUTER clonesrv5 PUB ---> SUB clonecli5
 *            5556                      5557     (this)
 *              PUSH ---> PULL clonesrv5
 *                   5558
 *
 * Once a second HUGZ tells the sum of what our branch ought to be. Ours differs
 * when we have missed an update, or the server has started again: then we ask
 * for all of it, as in the beginning. A HUGZ that is older than what we have
 * got from a snapshot says nothing about it, so each tells how far it goes.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli5.c ch5-pubsub/kvmsg.c
 *           ch5-pubsub/kvmap.c ch5-pubsub/hugz.c ch5-pubsub/snapshots.c
 *           -o clonecli5 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv5 & bin/clonecli5 -n 5 & bin/clonecli5 -n 5
 *     I: snapshot of ... keys, up to update ...
 *     ... keys, sequence ..., digest ...
 *
 * Guide: chapter 5, "Ephemeral Values".
 */
#include "chp.h"
#include "hugz.h"
#include "kvmsg.h"
#include "snapshots.h"

static const char usage[] =
    "clonecli5 [-C] [-d DIR] [-e MS] [-n COUNT] [-m N] "
    "[SNAPSHOT [PUBLISHER [COLLECTOR]]]\n"
    "Keeps a copy of a part of the server's table, and sets keys in it.\n"
    "  -C         only keep the copy, set nothing\n"
    "  -d DIR     the part: what begins with this (/client/)\n"
    "  -e MS      keys live up to so long, in whole seconds; 0: for ever "
    "(30000)\n"
    "  -n COUNT   keys to set, with -C updates to see; 0: until stopped (0)\n"
    "  -m N       keys to set per second; 0: as fast as it can (1)\n"
    "  SNAPSHOT   connect (tcp://localhost:5556)\n"
    "  PUBLISHER  connect (tcp://localhost:5557)\n"
    "  COLLECTOR  connect (tcp://localhost:5558)\n"
    "Peers: clonesrv5 SNAPSHOT PUBLISHER COLLECTOR\n";

enum { BATCH = 100 }; /* updates, then it is time to set some, and vice versa */

struct client {
    void *ctx, *updates, *collector;
    kvmap *map;
    int64_t sequence; /* of the last update that the table has */
    struct hugz_origin origin;
    int64_t began;
    bool listens;  /* and sets nothing */
    bool back;     /* all is set: the last update has come back */
    uint64_t last; /* its mark */
    long rate, longest;
    int64_t count, sent; /* INT64_MAX: until stopped */
};

/* A subscription that lives, and then a snapshot; see snapshots.c. */
static bool join(struct client *self)
{
    zg_msg end = { 0 };

    if (!snapshots_join(self->ctx, self->updates, zg_value[0], zg_value['d'],
                        KVMSG_FRAMES, &self->map, &end))
        return false;
    self->sequence = kv_number(&end);
    hugz_origin(&self->origin, &end);
    zg_clear(&end);
    printf("I: snapshot of %zu keys, up to update %ld\n",
           kvmap_count(self->map), (long) self->sequence);
    return true;
}

static bool done(struct client *self)
{
    return self->listens ? self->sequence >= self->count : self->back;
}

/* Apply what has come, unless the snapshot had it. False: the copy is wrong. */
static bool follow(struct client *self)
{
    zg_msg update = { 0 };
    bool right = true;

    for (int i = 0; i < BATCH && !done(self) && right; i++) {
        if (!kvmsg_recv(&update, self->updates, ZMQ_DONTWAIT))
            break;
        if (zg_is(&update, KV_KEY, CHP_HUGZ)) {
            right =
                !hugz_differs(&update, &self->origin, zg_value['d'], self->map);
        } else if (update.count > 0 && kv_number(&update) > self->sequence
                   && kv_starts(&update, zg_value['d'])) {
            self->sequence = kv_number(&update);
            self->back =
                self->sent == self->count && kv_mark(&update) == self->last;
            kvmap_store(self->map, &update, 0);
        }
    }
    zg_clear(&update);
    return right;
}

/* A random key of our branch, with a random ttl */
static void random_update(struct client *self, zg_msg *update)
{
    char key[300], number[24];

    snprintf(key, sizeof key, "%s%ld", zg_value['d'], random() % 10000);
    snprintf(number, sizeof number, "%ld", random() % 1000000);
    kvmsg_make(update, key, strlen(key), 0, number, strlen(number));
    kvmsg_set_uuid(update);
    snprintf(number, sizeof number, "%ld",
             self->longest > 0 ? random() % self->longest : 0);
    kvmsg_set_property(update, "ttl", number);
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
        random_update(self, &update);
        self->last = kv_mark(&update);
        bool sent = zg_send(&update, self->collector, ZMQ_DONTWAIT);
        zg_clear(&update);
        if (!sent)
            return now + 1; /* the server is away, or slower than we */
        self->sent++;
    }
    return now;
}

/* Where our last update may have been lost: if the snapshot does not have it,
 * one more is sent. */
static void look_for_last(struct client *self)
{
    kvitem *item = kvmap_from(self->map, "", 0);
    zg_msg msg = { 0 };

    for (; item != NULL && !self->back; item = kvmap_next(item)) {
        kvitem_load(item, &msg);
        self->back = kv_mark(&msg) == self->last;
        zg_clear(&msg);
    }
    self->sent -= !self->back;
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
    self.longest = zg_number('e') / 1000;
    self.map = kvmap_new();
    self.collector = zg_socket(ctx, ZMQ_PUSH);
    zg_set(updates, ZMQ_RCVHWM, CHP_CLIENT_QUEUE);
    subscribe(updates, zg_value['d']);
    subscribe(updates, CHP_HUGZ); /* last: when it comes, the other lives too */
    zg_connect(updates, zg_value[1]);
    zg_connect(self.collector, zg_value[2]);
    bool going = join(&self);
    self.began = zg_now();
    while (going && !done(&self)) {
        going = zg_poll(&item, 1, set_keys(&self)) != -1;
        if (!follow(&self)) {
            fprintf(stderr, "W: this is not what the server has\n");
            going = join(&self);
            if (going && self.sent == self.count)
                look_for_last(&self);
        }
    }
    kvmap_report(self.map, self.sequence);
    kvmap_destroy(&self.map);
    zmq_close(updates);
    zmq_close(self.collector);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
