/* SPDX-License-Identifier: 0BSD */
/* clonesrv1.c - publishes the updates of a table.
 *
 *     PUB clonesrv1 ---> SUB clonecli1, any number of them
 *         (this)   5556
 *
 * An update is a key, the number of the update, and a value. A client that
 * receives all of them has the same table.
 *
 * A client that connects late, or reads too slowly, has another table, and
 * neither side notices. clonesrv2 adds a snapshot for late clients; clonecli3
 * detects missed updates.
 *
 * Build: cc -Icommon ch5-pubsub/clonesrv1.c ch5-pubsub/table.c
 *           -o clonesrv1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonecli1 & bin/clonesrv1 -n 3000
 *     I: publisher bound to tcp://127.0.0.1:5556
 *     ... keys, sequence 3000, digest ...
 *
 * Guide: chapter 5, "Representing State as Key-Value Pairs".
 */
#include "kvsimple.h"
#include "table.h"

static const char usage[] =
    "clonesrv1 [-n COUNT] [-m N] [-s SEED] [PUBLISHER]\n"
    "Publishes random updates of a table of 10,000 keys.\n"
    "  -n COUNT   updates to publish; 0: until stopped (0)\n"
    "  -m N       updates per second; 0: as fast as possible (1000)\n"
    "  -s SEED    repeat the random updates of this seed; 0: new ones (0)\n"
    "  PUBLISHER  bind (tcp://127.0.0.1:5556)\n"
    "Peers: clonecli1 PUBLISHER\n";

enum {
    BATCH = 100,      /* updates, then look for a signal */
    SETTLE_MS = 1000, /* for subscribers that wait: they retry every 0.2 s */
};

struct server {
    void *publisher;
    table *table;
    int64_t number; /* of the last update */
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

static void run(struct server *self)
{
    zmq_pollitem_t stop = { self->publisher, 0, ZMQ_POLLERR, 0 };
    int64_t next_at = 0;

    while (!is_done(self) && zg_poll(&stop, 1, next_at) != -1)
        next_at = publish(self);
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
    self.publisher = zg_socket(ctx, ZMQ_PUB);
    zg_set(self.publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    zg_bind(self.publisher, "publisher", zg_value[0]);
    zg_sleep(self.publisher, SETTLE_MS);
    self.began_at = zg_now();
    run(&self);
    table_report(self.table, self.number);
    table_destroy(&self.table);
    zmq_close(self.publisher);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
