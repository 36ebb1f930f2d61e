/* SPDX-License-Identifier: 0BSD */
/* clonesrv5.c - a table whose keys may expire, on a reactor.
 *
 *     DEALER <--- ROUTER              PUB ---> SUB clonecli5
 *             5556      clonesrv5         5557
 *              PUSH ---> PULL (this)
 *                   5558
 *
 * Three handlers share one state: requests for the table, updates, and what is
 * done every second. No lock, for all run in one thread; and none may wait.
 *
 * A key with a ttl dies when it is not set again in time; its death is an
 * update like any other. HUGZ tells what a copy ought to be: it carries the
 * number of the last update and, for each subtree that somebody asked for, a
 * sum over its keys and values. Whoever missed an update, for whatever reason,
 * finds out.
 *
 * Build: cc -Icommon ch5-pubsub/clonesrv5.c ch5-pubsub/kvmsg.c
 *           ch5-pubsub/kvmap.c ch5-pubsub/hugz.c ch5-pubsub/snapshots.c
 *           -o clonesrv5 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv5 & bin/clonecli5 -n 5 & bin/clonecli5 -n 5
 *     I: snapshot of ... keys, up to update ...
 *     ... keys, sequence ..., digest ...
 *
 * Guide: chapter 5, "Ephemeral Values" and "Using a Reactor".
 */
#include "chp.h"
#include "hugz.h"
#include "kvmsg.h"
#include "snapshots.h"

static const char usage[] =
    "clonesrv5 [SNAPSHOT [PUBLISHER [COLLECTOR]]]\n"
    "Numbers the updates of its clients, and lets keys expire.\n"
    "  SNAPSHOT   bind (tcp://127.0.0.1:5556)\n"
    "  PUBLISHER  bind (tcp://127.0.0.1:5557)\n"
    "  COLLECTOR  bind (tcp://127.0.0.1:5558)\n"
    "Peers: clonecli5 SNAPSHOT PUBLISHER COLLECTOR\n";

enum { BATCH = 100 }; /* updates or requests, then the others' turn */

struct server {
    void *snapshot, *publisher, *collector, *timers;
    kvmap *map;
    snapshots *readers;
    int64_t number;
    char epoch[HUGZ_STAMP]; /* a server that starts again is another one */
};

/* Number it, keep it, publish it; update is empty then. */
static void apply(struct server *self, zg_msg *update)
{
    kv_set_number(update, ++self->number);
    kvmap_store(self->map, update, kvmsg_expires(update));
    zg_send(update, self->publisher, 0);
    zg_clear(update); /* it is not sent if we are to stop */
}

static void collect(struct server *self)
{
    zg_msg update = { 0 };

    for (int i = 0; i < BATCH; i++) {
        if (!kvmsg_recv(&update, self->collector, ZMQ_DONTWAIT))
            break;
        if (update.count == 0)
            continue;
        if (kvmsg_reserved(&update))
            zg_drop(&update, "a client: the key is reserved");
        else
            apply(self, &update);
    }
    zg_clear(&update);
}

/* [client][ICANHAZ?][subtree]; without the last frame it is all. */
static void answer(struct server *self)
{
    zg_msg request = { 0 };

    for (int i = 0; i < BATCH; i++) {
        if (!zg_recv(&request, self->snapshot, ZMQ_DONTWAIT))
            break;
        if (snapshots_begin(self->readers, &request, self->number))
            hugz_watch(self->map, &request);
        else
            zg_drop(&request, "a client");
    }
    zg_clear(&request);
}

/* Delete what has expired: [key][number][][][] */
static void expire(struct server *self)
{
    kvitem *item;
    zg_msg update = { 0 };

    while ((item = kvmap_expired(self->map, zg_now())) != NULL) {
        kvmsg_make_delete(&update, item);
        apply(self, &update);
    }
}

static void every_second(int timer, void *arg)
{
    struct server *self = arg;

    (void) timer;
    expire(self);
    hugz_send(self->publisher, self->map, self->epoch, self->number);
}

/* The reactor: who has something to read, whose time has come. */
static void run(struct server *self)
{
    zmq_pollitem_t items[] = { { self->snapshot, 0, ZMQ_POLLIN, 0 },
                               { self->collector, 0, ZMQ_POLLIN, 0 } };
    char stamp[HUGZ_STAMP];
    int64_t until = 0;

    while (zg_poll(items, 2, until) != -1) {
        answer(self);
        collect(self);
        zmq_timers_execute(self->timers);
        hugz_stamp(stamp, self->epoch, self->number);
        until = snapshots_send(self->readers, self->map, stamp);
        if (until == ZG_FOREVER)
            until = zg_now() + zmq_timers_timeout(self->timers);
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    struct server self = { .map = kvmap_new(), .timers = zmq_timers_new() };

    hugz_epoch(self.epoch);
    self.snapshot = zg_socket(ctx, ZMQ_ROUTER);
    self.readers = snapshots_new(self.snapshot, KVMSG_FRAMES, kvmsg_load);
    self.publisher = zg_socket(ctx, ZMQ_PUB);
    self.collector = zg_socket(ctx, ZMQ_PULL);
    zg_set(self.publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    zg_bind(self.snapshot, "snapshot", zg_value[0]);
    zg_bind(self.publisher, "publisher", zg_value[1]);
    zg_bind(self.collector, "collector", zg_value[2]);
    zmq_timers_add(self.timers, CHP_HUGZ_MS, every_second, &self);
    run(&self);
    kvmap_report(self.map, self.number);
    snapshots_destroy(&self.readers);
    kvmap_destroy(&self.map);
    zmq_timers_destroy(&self.timers);
    zmq_close(self.snapshot);
    zmq_close(self.publisher);
    zmq_close(self.collector);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
