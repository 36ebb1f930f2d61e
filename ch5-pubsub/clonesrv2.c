/* SPDX-License-Identifier: 0BSD */
/* clonesrv2.c - publishes updates, and hands the table to whoever comes late.
 *
 *     DEALER clonecli2 <--- ROUTER clonesrv2 PUB ---> SUB clonecli2
 *      [ICANHAZ?]     5556          (this)      5557
 *
 * One thread makes the updates, keeps the table, and answers requests for it:
 * so a snapshot is exactly what the updates up to its number have made. Once a
 * second it says HUGZ to its subscribers, by which one that hears nothing else
 * learns that its subscription has arrived.
 *
 * Build: cc -Icommon ch5-pubsub/clonesrv2.c ch5-pubsub/kvsimple.c
 *           ch5-pubsub/kvmap.c ch5-pubsub/snapshots.c
 *           -o clonesrv2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv2 & sleep 3; bin/clonecli2 -n 6000
 *     I: snapshot of ... keys, up to update ...
 *     ... keys, sequence 6000, digest ...
 *
 * Guide: chapter 5, "Getting an Out-of-Band Snapshot".
 */
#include "chp.h"
#include "kvsimple.h"
#include "snapshots.h"

static const char usage[] =
    "clonesrv2 [-n COUNT] [-m N] [-s SEED] [SNAPSHOT [PUBLISHER]]\n"
    "Publishes random updates of a table of 10,000 keys, and hands it out.\n"
    "  -n COUNT   updates, then it ends; 0: until stopped (0)\n"
    "  -m N       updates per second; 0: as fast as it can (1000)\n"
    "  -s SEED    random numbers that repeat; 0: that do not (0)\n"
    "  SNAPSHOT   bind (tcp://127.0.0.1:5556)\n"
    "  PUBLISHER  bind (tcp://127.0.0.1:5557)\n"
    "Peers: clonecli2 SNAPSHOT PUBLISHER\n";

enum { BATCH = 100 }; /* updates or requests, then the others' turn */

struct server {
    void *snapshot, *publisher;
    kvmap *map;
    snapshots *readers;
    int64_t number, began, hugz_at;
    long count, rate;
};

static void say_hugz(struct server *self)
{
    zg_msg hugz = { 0 };

    kvsimple_make(&hugz, CHP_HUGZ, strlen(CHP_HUGZ), 0, "", 0);
    zg_send(&hugz, self->publisher, 0);
    zg_clear(&hugz);
    self->hugz_at = zg_now() + CHP_HUGZ_MS;
}

static bool ended(struct server *self)
{
    return self->count > 0 && self->number >= self->count;
}

/* The updates that are due by now, but not all at once. */
static void publish(struct server *self)
{
    int64_t due = (zg_now() - self->began) * self->rate / 1000;
    zg_msg update = { 0 };

    for (int i = 0; i < BATCH && !ended(self); i++) {
        if (self->rate > 0 && self->number >= due)
            break;
        kvsimple_random(&update, "", ++self->number);
        kvmap_store(self->map, &update, 0);
        if (!zg_send(&update, self->publisher, 0))
            break; /* we are to stop */
    }
    zg_clear(&update);
}

/* [client][ICANHAZ?] */
static void answer(struct server *self)
{
    zg_msg request = { 0 };

    for (int i = 0; i < BATCH; i++) {
        if (!zg_recv(&request, self->snapshot, ZMQ_DONTWAIT))
            break;
        if (request.count != 2
            || !snapshots_begin(self->readers, &request, self->number))
            zg_drop(&request, "a client");
    }
    zg_clear(&request);
}

static void run(struct server *self)
{
    zmq_pollitem_t item = { self->snapshot, 0, ZMQ_POLLIN, 0 };
    int64_t until = 0;

    while (!ended(self) && zg_poll(&item, 1, until) != -1) {
        answer(self);
        publish(self);
        if (zg_now() >= self->hugz_at)
            say_hugz(self);
        until = snapshots_send(self->readers, self->map, NULL);
        if (until > zg_now() + 1) /* until the next updates are due */
            until = self->rate == 0 ? 0 : zg_now() + 1;
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
    self.map = kvmap_new();
    self.snapshot = zg_socket(ctx, ZMQ_ROUTER);
    self.readers = snapshots_new(self.snapshot, KVSIMPLE_FRAMES, kvitem_load);
    self.publisher = zg_socket(ctx, ZMQ_PUB);
    zg_set(self.publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    zg_bind(self.snapshot, "snapshot", zg_value[0]);
    zg_bind(self.publisher, "publisher", zg_value[1]);
    self.began = zg_now();
    run(&self);
    kvmap_report(self.map, self.number);
    snapshots_destroy(&self.readers);
    kvmap_destroy(&self.map);
    zmq_close(self.snapshot);
    zmq_close(self.publisher);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
