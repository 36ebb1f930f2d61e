/* SPDX-License-Identifier: 0BSD */
/* clonesrv5.c - lets keys expire, and counts updates.
 *
 *     DEALER <--- ROUTER              PUB ---> SUB clonecli5
 *             5556      clonesrv5         5557
 *              PUSH ---> PULL (this)
 *                   5558
 *
 * Messages have five frames from here on. A key with a ttl expires unless it is
 * set again in time: the server publishes an update that deletes it.
 *
 * The server counts the updates of each subtree that a client has asked for.
 * HUGZ carries the counts. A client whose own count differs has missed an
 * update, and joins again.
 *
 * The loop is a reactor, also in clonesrv3 and clonesrv4: it waits for
 * requests, updates and the clock, and calls a handler for each. All handlers
 * run in one thread, so they need no lock, and none of them may block.
 *
 * If the server restarts, its table is lost; clonesrv6 is a pair of servers.
 *
 * Build: cc -Icommon ch5-pubsub/clonesrv5.c ch5-pubsub/kvmsg.c
 *           ch5-pubsub/snapshots.c ch5-pubsub/table.c
 *           -o clonesrv5 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv5 & bin/clonecli5 -n 5 & bin/clonecli5 -n 5
 *     I: snapshot of ... keys, up to update ...
 *     ... keys, sequence ..., digest ...
 *
 * Guide: chapter 5, "Ephemeral Values" and "Using a Reactor".
 */
#include "kvmsg.h"
#include "snapshots.h"
#include "table.h"

static const char usage[] =
    "clonesrv5 [SNAPSHOT [PUBLISHER [COLLECTOR]]]\n"
    "Numbers the updates of its clients, and lets keys expire.\n"
    "  SNAPSHOT   bind (tcp://127.0.0.1:5556)\n"
    "  PUBLISHER  bind (tcp://127.0.0.1:5557)\n"
    "  COLLECTOR  bind (tcp://127.0.0.1:5558)\n"
    "Peers: clonecli5 SNAPSHOT PUBLISHER COLLECTOR\n";

enum { BATCH = 100 }; /* updates or requests in one turn of the loop */

struct server {
    void *snapshot, *publisher, *collector;
    table *table;
    snapshots *snapshots;
    int64_t number;    /* of the last update */
    int64_t second_at; /* when to call every_second() */
};

/* Number, store and publish an update, and empty the message. */
static void publish_one(struct server *self, zg_msg *update)
{
    kv_set_number(update, ++self->number);
    snapshots_count_update(self->snapshots, update);
    table_update(self->table, update, kvmsg_expires_at(update));
    zg_send(update, self->publisher, 0);
    zg_clear(update); /* not sent during shutdown */
}

static void collect(struct server *self)
{
    zg_msg update = { 0 };

    for (int i = 0; i < BATCH; i++) {
        if (!kvmsg_recv(&update, self->collector, ZMQ_DONTWAIT))
            break;
        if (update.count == 0)
            continue;
        if (!kvmsg_is_acceptable(&update))
            zg_drop(&update, "a client");
        else if (!table_has_room(self->table, &update))
            fprintf(stderr, "W: the table is full: an update is dropped\n");
        else
            publish_one(self, &update);
    }
    zg_clear(&update);
}

/* [client][ICANHAZ?][subtree] */
static void begin_snapshots(struct server *self)
{
    zg_msg request = { 0 };

    for (int i = 0; i < BATCH; i++) {
        if (!zg_recv(&request, self->snapshot, ZMQ_DONTWAIT))
            break;
        if (!snapshots_begin(self->snapshots, &request, self->number))
            zg_drop(&request, "a client");
    }
    zg_clear(&request);
}

/* Delete the keys whose ttl has ended. */
static void expire(struct server *self)
{
    zg_msg update = { 0 };
    item *next;

    for (item *it = table_first_timed(self->table); it != NULL; it = next) {
        next = item_next_timed(it);
        if (item_time(it) > zg_now())
            continue;
        kvmsg_make_delete(&update, it);
        publish_one(self, &update);
    }
}

static void every_second(struct server *self)
{
    expire(self);
    snapshots_publish_hugz(self->snapshots, self->publisher, self->number);
    self->second_at = zg_now() + CHP_HUGZ_MS;
}

static void run(struct server *self)
{
    zmq_pollitem_t inputs[] = { { self->snapshot, 0, ZMQ_POLLIN, 0 },
                                { self->collector, 0, ZMQ_POLLIN, 0 } };
    int64_t next_at = 0;

    while (zg_poll(inputs, 2, next_at) != -1) {
        begin_snapshots(self);
        collect(self);
        if (zg_now() >= self->second_at)
            every_second(self);
        next_at = snapshots_send(self->snapshots, self->table);
        if (next_at > self->second_at)
            next_at = self->second_at;
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    struct server self = { 0 };
    void *ctx = zg_start();

    self.table = table_new();
    self.snapshot = zg_socket(ctx, ZMQ_ROUTER);
    self.snapshots = snapshots_new(self.snapshot, KVMSG_FRAMES, kvmsg_load);
    self.publisher = zg_socket(ctx, ZMQ_PUB);
    self.collector = zg_socket(ctx, ZMQ_PULL);
    zg_set(self.publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    zg_bind(self.snapshot, "snapshot", zg_value[0]);
    zg_bind(self.publisher, "publisher", zg_value[1]);
    zg_bind(self.collector, "collector", zg_value[2]);
    run(&self);
    table_report(self.table, self.number);
    snapshots_destroy(&self.snapshots);
    table_destroy(&self.table);
    zmq_close(self.snapshot);
    zmq_close(self.publisher);
    zmq_close(self.collector);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
