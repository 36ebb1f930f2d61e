/* SPDX-License-Identifier: 0BSD */
/* clonesrv4.c - hands out the table by subtrees.
 *
 *     DEALER <--- ROUTER              PUB ---> SUB clonecli4
 *             5556      clonesrv4         5557
 *              PUSH ---> PULL (this)
 *                   5558
 *
 * Keys are paths, and a client asks for those below one, with a second frame of
 * its request. It subscribes to the same path, so that the publisher's socket
 * chooses what it gets later; there is nothing to do for that here.
 *
 * Build: cc -Icommon ch5-pubsub/clonesrv4.c ch5-pubsub/kvsimple.c
 *           ch5-pubsub/kvmap.c ch5-pubsub/snapshots.c
 *           -o clonesrv4 -lzmq -lpthread
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
    "clonesrv4 [SNAPSHOT [PUBLISHER [COLLECTOR]]]\n"
    "Numbers the updates of its clients, and hands out any part of the table.\n"
    "  SNAPSHOT   bind (tcp://127.0.0.1:5556)\n"
    "  PUBLISHER  bind (tcp://127.0.0.1:5557)\n"
    "  COLLECTOR  bind (tcp://127.0.0.1:5558)\n"
    "Peers: clonecli4 SNAPSHOT PUBLISHER COLLECTOR\n";

enum { BATCH = 100 }; /* updates or requests, then the others' turn */

struct server {
    void *snapshot, *publisher, *collector;
    kvmap *map;
    snapshots *readers;
    int64_t number, hugz_at;
};

static void say_hugz(struct server *self)
{
    zg_msg hugz = { 0 };

    kvsimple_make(&hugz, CHP_HUGZ, strlen(CHP_HUGZ), 0, "", 0);
    zg_send(&hugz, self->publisher, 0);
    zg_clear(&hugz);
    self->hugz_at = zg_now() + CHP_HUGZ_MS;
}

/* A key that means something else on the way would end everybody's snapshot. */
static bool reserved(zg_msg *update)
{
    return zg_is(update, KV_KEY, CHP_KTHXBAI)
           || zg_is(update, KV_KEY, CHP_HUGZ);
}

static void collect(struct server *self)
{
    zg_msg update = { 0 };

    for (int i = 0; i < BATCH; i++) {
        if (!kvsimple_recv(&update, self->collector, ZMQ_DONTWAIT))
            break;
        if (update.count == 0)
            continue;
        if (reserved(&update)) {
            zg_drop(&update, "a client: the key is reserved");
            continue;
        }
        kv_set_number(&update, ++self->number);
        kvmap_store(self->map, &update, 0);
        zg_send(&update, self->publisher, 0);
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
        if (!snapshots_begin(self->readers, &request, self->number))
            zg_drop(&request, "a client");
    }
    zg_clear(&request);
}

static void run(struct server *self)
{
    zmq_pollitem_t items[] = { { self->snapshot, 0, ZMQ_POLLIN, 0 },
                               { self->collector, 0, ZMQ_POLLIN, 0 } };
    int64_t until = 0;

    while (zg_poll(items, 2, until) != -1) {
        answer(self);
        collect(self);
        if (zg_now() >= self->hugz_at)
            say_hugz(self);
        until = snapshots_send(self->readers, self->map, NULL);
        if (until > self->hugz_at)
            until = self->hugz_at;
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    struct server self = { .map = kvmap_new() };

    self.snapshot = zg_socket(ctx, ZMQ_ROUTER);
    self.readers = snapshots_new(self.snapshot, KVSIMPLE_FRAMES, kvitem_load);
    self.publisher = zg_socket(ctx, ZMQ_PUB);
    self.collector = zg_socket(ctx, ZMQ_PULL);
    zg_set(self.publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    zg_bind(self.snapshot, "snapshot", zg_value[0]);
    zg_bind(self.publisher, "publisher", zg_value[1]);
    zg_bind(self.collector, "collector", zg_value[2]);
    run(&self);
    kvmap_report(self.map, self.number);
    snapshots_destroy(&self.readers);
    kvmap_destroy(&self.map);
    zmq_close(self.snapshot);
    zmq_close(self.publisher);
    zmq_close(self.collector);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
