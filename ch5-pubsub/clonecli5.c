/* SPDX-License-Identifier: 0BSD */
/* clonecli5.c - sets keys that expire, and detects a missed update.
 *
 *     DEALER ---> ROUTER clonesrv5 PUB ---> SUB clonecli5
 *            5556                      5557     (this)
 *              PUSH ---> PULL clonesrv5
 *                   5558
 *
 * A key with a ttl expires unless it is set again in time: the server publishes
 * an update that deletes the key.
 *
 * The server counts the updates of the subtree, and HUGZ carries the count. If
 * it differs from the client's own count, the client has missed an update, and
 * joins again.
 *
 * A key that this client sets goes to the server first. It changes the replica
 * when it comes back with a number. An update that is lost on its way to the
 * server is not sent again; clonecli6 does that.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli5.c ch5-pubsub/replica.c
 *           ch5-pubsub/kvmsg.c ch5-pubsub/table.c
 *           -o clonecli5 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonesrv5 & bin/clonecli5 -n 5 & bin/clonecli5 -n 5
 *     I: snapshot of ... keys, up to update ...
 *     ... keys, sequence ..., digest ...
 *
 * Guide: chapter 5, "Ephemeral Values".
 */
#include "kvmsg.h"
#include "replica.h"

static const char usage[] =
    "clonecli5 [-C] [-d DIR] [-e MS] [-m N] [-n COUNT] [-t MS] "
    "[SNAPSHOT [PUBLISHER [COLLECTOR]]]\n"
    "Keeps a replica of a subtree of the table, and sets random keys in it.\n"
    "  -C         set no keys\n"
    "  -d DIR     the subtree: what begins with this (/client/)\n"
    "  -e MS      longest ttl of a key, at least 1000; 0: no ttl (30000)\n"
    "  -m N       keys per second, at most 1000; 0: as fast as possible (1)\n"
    "  -n COUNT   end after this update; 0: until stopped (0)\n"
    "  -t MS      join again after this silence, at least 2000 (10000)\n"
    "  SNAPSHOT   connect (tcp://localhost:5556)\n"
    "  PUBLISHER  connect (tcp://localhost:5557)\n"
    "  COLLECTOR  connect (tcp://localhost:5558)\n"
    "Peers: clonesrv5 SNAPSHOT PUBLISHER COLLECTOR\n";

enum { BATCH = 100 }; /* updates, then a key to set has its turn */

struct client {
    struct replica replica;
    void *collector;
    long count, rate, max_ttl; /* in seconds */
    int64_t set_at;            /* when to set the next key */
};

/* A missed update shows in the next HUGZ. So wait for that, unless the server
 * does not count the updates of our subtree. */
static bool is_done(struct client *self)
{
    struct replica *replica = &self->replica;
    int64_t number =
        replica->count == -1 ? replica->sequence : replica->checked;
    return self->count > 0 && number >= self->count;
}

static void follow(struct client *self)
{
    zg_msg msg = { 0 };

    for (int i = 0; i < BATCH && !is_done(self); i++) {
        if (!zg_recv(&msg, replica_socket(&self->replica), ZMQ_DONTWAIT))
            break;
        replica_handle_message(&self->replica, &msg);
    }
    zg_clear(&msg);
}

/* Return when to set the next key: never while the replica joins. */
static int64_t next_set_at(struct client *self)
{
    return self->replica.state == REPLICA_FOLLOWING ? self->set_at : ZG_FOREVER;
}

/* Send a random update. It is lost if the queue to the server is full. */
static void set_key(struct client *self)
{
    zg_msg update = { 0 };

    kvmsg_make_random(&update, zg_value['d'], self->max_ttl);
    zg_send(&update, self->collector, ZMQ_DONTWAIT);
    zg_clear(&update);
    self->set_at = zg_now() + (self->rate > 0 ? 1000 / self->rate : 0);
}

static void run(struct client *self)
{
    while (!is_done(self)) {
        int64_t next_at = replica_tick(&self->replica);
        if (next_at > next_set_at(self))
            next_at = next_set_at(self);
        zmq_pollitem_t input = { .socket = replica_socket(&self->replica),
                                 .events = ZMQ_POLLIN };
        if (zg_poll(&input, 1, next_at) == -1)
            break;
        follow(self);
        if (zg_now() >= next_set_at(self))
            set_key(self);
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    struct client self = { .count = zg_number('n'), .rate = zg_number('m') };
    long expiry = zg_number('e');
    if ((expiry > 0 && expiry < 1000) || zg_number('t') < 2 * CHP_HUGZ_MS
        || self.rate > 1000 || strlen(zg_value['d']) > CHP_SUBTREE_MAX)
        zg_usage_error();
    void *ctx = zg_start();

    self.max_ttl = expiry / 1000;
    self.set_at = zg_value['C'] != NULL ? ZG_FOREVER : 0;
    self.collector = zg_socket(ctx, ZMQ_PUSH);
    zg_connect(self.collector, zg_value[2]);
    replica_init(&self.replica, ctx, KVMSG_FRAMES, zg_value['d'],
                 zg_number('t'));
    replica_join(&self.replica, zg_value[0], zg_value[1]);
    run(&self);
    table_report(self.replica.table, self.replica.sequence);
    replica_destroy(&self.replica);
    zmq_close(self.collector);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
