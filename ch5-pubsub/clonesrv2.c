/* SPDX-License-Identifier: 0BSD */
/* clonesrv2.c - publishes the updates of a table, and sends snapshots of it.
 *
 *     DEALER clonecli2 <--- ROUTER clonesrv2 PUB ---> SUB clonecli2
 *      [ICANHAZ?]     5556          (this)      5557
 *
 * A late client asks for a snapshot. The server sends all items of the table,
 * and the number of the last update before the request: the snapshot contains
 * all updates up to that number. (snapshots.h: items may be newer.)
 *
 * Once a second the server publishes HUGZ. HUGZ proves to a client that the
 * server has its subscription, and that the server is alive. The epoch in HUGZ
 * tells whether the server has restarted.
 *
 * A client that reads too slowly misses updates; clonecli3 detects that. Only
 * the server makes updates; clonesrv3 accepts them from clients.
 *
 * Build: cc -Icommon ch5-pubsub/clonesrv2.c ch5-pubsub/snapshots.c
 *           ch5-pubsub/table.c -o clonesrv2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv2 & sleep 3; bin/clonecli2 -n 6000
 *     I: snapshot of ... keys, up to update ...
 *     ... keys, sequence 6000, digest ...
 *
 * Guide: chapter 5, "Getting an Out-of-Band Snapshot".
 */
#include "kvsimple.h"
#include "snapshots.h"
#include "table.h"

static const char usage[] =
    "clonesrv2 [-n COUNT] [-m N] [-s SEED] [SNAPSHOT [PUBLISHER]]\n"
    "Publishes random updates of a table of 10,000 keys, and snapshots.\n"
    "  -n COUNT   updates to publish; 0: until stopped (0)\n"
    "  -m N       updates per second; 0: as fast as possible (1000)\n"
    "  -s SEED    repeat the random updates of this seed; 0: new ones (0)\n"
    "  SNAPSHOT   bind (tcp://127.0.0.1:5556)\n"
    "  PUBLISHER  bind (tcp://127.0.0.1:5557)\n"
    "Peers: clonecli2 SNAPSHOT PUBLISHER\n";

enum { BATCH = 100 }; /* updates or requests in one turn of the loop */

struct server {
    void *snapshot, *publisher;
    table *table;
    snapshots *snapshots;
    int64_t number; /* of the last update */
    int64_t hugz_at;
    int64_t began_at;
    long count, rate;
};

static bool is_done(struct server *self)
{
    return self->count > 0 && self->number >= self->count;
}

/* Publish the updates that are due by now, at most a batch. Return when to
 * call this again. */
static int64_t publish(struct server *self)
{
    int64_t due = (zg_now() - self->began_at) * self->rate / 1000;
    zg_msg update = { 0 };

    for (int i = 0; i < BATCH && !is_done(self); i++) {
        if (self->rate > 0 && self->number >= due)
            break;
        kvsimple_make_random(&update, "");
        kv_set_number(&update, ++self->number);
        table_update(self->table, &update, 0);
        if (!zg_send(&update, self->publisher, 0))
            break; /* shutdown */
    }
    zg_clear(&update);
    return self->rate == 0 || self->number < due ? 0 : zg_now() + 1;
}

/* [client][ICANHAZ?]: models 2 and 3 have no subtrees. */
static void begin_snapshots(struct server *self)
{
    zg_msg request = { 0 };

    for (int i = 0; i < BATCH; i++) {
        if (!zg_recv(&request, self->snapshot, ZMQ_DONTWAIT))
            break;
        if (request.count != 2
            || !snapshots_begin(self->snapshots, &request, self->number))
            zg_drop(&request, "a client");
    }
    zg_clear(&request);
}

static void run(struct server *self)
{
    zmq_pollitem_t requests = { self->snapshot, 0, ZMQ_POLLIN, 0 };
    int64_t next_at = 0;

    while (!is_done(self) && zg_poll(&requests, 1, next_at) != -1) {
        begin_snapshots(self);
        int64_t publish_at = publish(self);
        if (zg_now() >= self->hugz_at) {
            snapshots_publish_hugz(self->snapshots, self->publisher,
                                   self->number);
            self->hugz_at = zg_now() + CHP_HUGZ_MS;
        }
        next_at = snapshots_send(self->snapshots, self->table);
        if (next_at > publish_at)
            next_at = publish_at;
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    struct server self = { .count = zg_number('n'), .rate = zg_number('m') };
    long seed = zg_number('s');
    void *ctx = zg_start();

    if (seed != 0)
        srandom((unsigned) seed);
    self.table = table_new();
    self.snapshot = zg_socket(ctx, ZMQ_ROUTER);
    self.snapshots = snapshots_new(self.snapshot, KVSIMPLE_FRAMES, item_append);
    self.publisher = zg_socket(ctx, ZMQ_PUB);
    zg_set(self.publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    zg_bind(self.snapshot, "snapshot", zg_value[0]);
    zg_bind(self.publisher, "publisher", zg_value[1]);
    self.began_at = zg_now();
    run(&self);
    table_report(self.table, self.number);
    snapshots_destroy(&self.snapshots);
    table_destroy(&self.table);
    zmq_close(self.snapshot);
    zmq_close(self.publisher);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
