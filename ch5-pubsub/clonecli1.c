/* SPDX-License-Identifier: 0BSD */
/* clonecli1.c - keeps a copy of the table that clonesrv1 publishes.
 *
 *     PUB clonesrv1 ---> SUB clonecli1
 *                  5556      (this)
 *
 * The copy is right if we were there before the first update and have read
 * faster than they came. We cannot tell: clonecli2 cures the first, and
 * clonecli3 notices the second.
 *
 * Build: cc -Icommon ch5-pubsub/clonecli1.c ch5-pubsub/kvsimple.c
 *           ch5-pubsub/kvmap.c -o clonecli1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonecli1 -n 3000 & bin/clonesrv1
 *     I: subscribed to tcp://localhost:5556
 *     I: the first update that comes is 1
 *     ... keys, sequence 3000, digest ...
 *
 * Guide: chapter 5, "Representing State as Key-Value Pairs".
 */
#include "kvsimple.h"

static const char usage[] =
    "clonecli1 [-n COUNT] [PUBLISHER]\n"
    "Keeps a copy of the table of clonesrv1, and says in the end what it has.\n"
    "  -n COUNT   updates, then it ends; 0: until stopped (0)\n"
    "  PUBLISHER  connect (tcp://localhost:5556)\n"
    "Peers: clonesrv1 PUBLISHER\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), received = 0;
    void *ctx = zg_start(), *updates = zg_socket(ctx, ZMQ_SUB);
    kvmap *map = kvmap_new();
    zg_msg update = { 0 };
    int64_t sequence = 0;

    zg_must(zmq_setsockopt(updates, ZMQ_SUBSCRIBE, "", 0));
    zg_connect(updates, zg_value[0]);
    printf("I: subscribed to %s\n", zg_value[0]);
    while ((count == 0 || received < count)
           && kvsimple_recv(&update, updates, 0))
        if (update.count > 0) {
            sequence = kv_number(&update);
            if (received == 0)
                printf("I: the first update that comes is %ld\n",
                       (long) sequence);
            kvmap_store(map, &update, 0);
            received++;
        }
    printf("I: %ld updates received\n", received);
    kvmap_report(map, sequence);
    zg_clear(&update);
    kvmap_destroy(&map);
    zmq_close(updates);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
