/* SPDX-License-Identifier: 0BSD */
/* clonecli1.c - keeps a replica of the table that clonesrv1 publishes.
 *
 *     PUB clonesrv1 ---> SUB clonecli1
 *                  5556      (this)
 *
 * The replica is equal to the server's table if this client subscribed before
 * the first update and has read fast enough. The client detects neither a late
 * subscription nor a missed update. clonecli2 can join late; clonecli3 detects
 * missed updates.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli1.c ch5-pubsub/table.c
 *           -o clonecli1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonecli1 -n 3000 & bin/clonesrv1
 *     I: subscribed to tcp://localhost:5556
 *     I: the first update is ...
 *     ... keys, sequence 3000, digest ...
 *
 * Guide: chapter 5, "Representing State as Key-Value Pairs".
 */
#include "kvsimple.h"
#include "table.h"

static const char usage[] =
    "clonecli1 [-n COUNT] [PUBLISHER]\n"
    "Keeps a replica of the table of clonesrv1, and prints its digest.\n"
    "  -n COUNT   updates to receive; 0: until stopped (0)\n"
    "  PUBLISHER  connect (tcp://localhost:5556)\n"
    "Peers: clonesrv1 PUBLISHER\n";

struct client {
    void *updates;
    table *table;
    int64_t sequence; /* number of the last update */
    long count, received;
};

static bool is_done(struct client *self)
{
    return self->count > 0 && self->received >= self->count;
}

/* Apply the next update. Return false on shutdown. */
static bool follow(struct client *self)
{
    zg_msg update = { 0 };
    bool is_running = kvsimple_recv(&update, self->updates, 0);

    if (update.count > 0) {
        self->sequence = kv_number(&update);
        if (self->received++ == 0)
            printf("I: the first update is %ld\n", (long) self->sequence);
        table_update(self->table, &update, 0);
    }
    zg_clear(&update);
    return is_running;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    struct client self = { .count = zg_number('n') };
    void *ctx = zg_start();

    self.table = table_new();
    self.updates = zg_socket(ctx, ZMQ_SUB);
    zg_must(zmq_setsockopt(self.updates, ZMQ_SUBSCRIBE, "", 0));
    zg_connect(self.updates, zg_value[0]);
    printf("I: subscribed to %s\n", zg_value[0]);
    while (!is_done(&self) && follow(&self))
        continue;
    printf("I: %ld updates received\n", self.received);
    table_report(self.table, self.sequence);
    table_destroy(&self.table);
    zmq_close(self.updates);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
