/* SPDX-License-Identifier: 0BSD */
/* clonecli2.c - comes when it likes, and has the server's table all the same.
 *
 *     ROUTER clonesrv2 PUB ---> SUB clonecli2 DEALER ---> ROUTER clonesrv2
 *                          5557      (this)           5556 [ICANHAZ?]
 *
 * Subscribe, then ask for the table, then apply what is newer than that. It all
 * hangs on the first step: to subscribe takes time, and an update in between
 * would be in neither. So we wait until something has come over the
 * subscription before we ask. Updates wait in the socket while the table comes.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli2.c ch5-pubsub/kvsimple.c
 *           ch5-pubsub/kvmap.c ch5-pubsub/snapshots.c
 *           -o clonecli2 -lzmq -lpthread
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
    "clonecli2 [-n COUNT] [SNAPSHOT [PUBLISHER]]\n"
    "Joins at any time, and keeps a copy of the table of clonesrv2.\n"
    "  -n COUNT   the update after which it ends; 0: until stopped (0)\n"
    "  SNAPSHOT   connect (tcp://localhost:5556)\n"
    "  PUBLISHER  connect (tcp://localhost:5557)\n"
    "Peers: clonesrv2 SNAPSHOT PUBLISHER\n";

struct client {
    void *ctx, *updates;
    kvmap *map;
    int64_t sequence; /* of the last update that the table has */
};

/* A subscription that lives, and then a snapshot; see snapshots.c. */
static bool join(struct client *self)
{
    zg_msg end = { 0 };

    if (!snapshots_join(self->ctx, self->updates, zg_value[0], NULL,
                        KVSIMPLE_FRAMES, &self->map, &end))
        return false;
    self->sequence = kv_number(&end);
    zg_clear(&end);
    printf("I: snapshot of %zu keys, up to update %ld\n",
           kvmap_count(self->map), (long) self->sequence);
    return true;
}

/* Apply the next update, unless the snapshot had it. */
static bool follow(struct client *self)
{
    zg_msg update = { 0 };
    bool going = kvsimple_recv(&update, self->updates, 0);

    if (update.count > 0 && kv_number(&update) > self->sequence) {
        self->sequence = kv_number(&update);
        kvmap_store(self->map, &update, 0);
    }
    zg_clear(&update);
    return going;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n');
    void *ctx = zg_start();
    struct client self = { ctx, zg_socket(ctx, ZMQ_SUB), kvmap_new(), 0 };

    zg_set(self.updates, ZMQ_RCVHWM, CHP_CLIENT_QUEUE);
    zg_must(zmq_setsockopt(self.updates, ZMQ_SUBSCRIBE, "", 0));
    zg_connect(self.updates, zg_value[1]);
    bool going = join(&self);
    while (going && (count == 0 || self.sequence < count))
        going = follow(&self);
    kvmap_report(self.map, self.sequence);
    kvmap_destroy(&self.map);
    zmq_close(self.updates);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
