/* SPDX-License-Identifier: 0BSD */
/* clonesrv1.c - publishes a table as a stream of updates, and keeps a copy.
 *
 *     PUB clonesrv1 ---> SUB clonecli1, as many as like
 *         (this)   5556
 *
 * Each update is a key, the number of the update, and a value. Whoever sees
 * all of them has the same table; whoever comes late, or reads too slowly, does
 * not, and is not told. The models that follow mend that, one thing each.
 *
 * Build: cc -Icommon ch5-pubsub/clonesrv1.c ch5-pubsub/kvsimple.c
 *           ch5-pubsub/kvmap.c -o clonesrv1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/clonecli1 & bin/clonesrv1 -n 3000
 *     I: publisher bound to tcp://127.0.0.1:5556
 *     ... keys, sequence 3000, digest ...
 *
 * Guide: chapter 5, "Representing State as Key-Value Pairs".
 */
#include "kvsimple.h"

static const char usage[] =
    "clonesrv1 [-n COUNT] [-m N] [-s SEED] [PUBLISHER]\n"
    "Publishes random updates of a table of 10,000 keys.\n"
    "  -n COUNT   updates, then it ends; 0: until stopped (0)\n"
    "  -m N       updates per second; 0: as fast as it can (1000)\n"
    "  -s SEED    random numbers that repeat; 0: that do not (0)\n"
    "  PUBLISHER  bind (tcp://127.0.0.1:5556)\n"
    "Peers: clonecli1 PUBLISHER\n";

/* For subscribers that are there already: they try every 0.1 to 0.2 s. */
enum { SETTLE_MS = 1000 };

/* [key][number][value], into our own table and to all; false to stop. */
static bool publish(void *publisher, kvmap *map, int64_t number)
{
    zg_msg update = { 0 };

    kvsimple_random(&update, "", number);
    kvmap_store(map, &update, 0);
    bool sent = zg_send(&update, publisher, 0);
    zg_clear(&update);
    return sent;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), rate = zg_number('m'), seed = zg_number('s');
    void *ctx = zg_start(), *publisher = zg_socket(ctx, ZMQ_PUB);
    kvmap *map = kvmap_new();
    int64_t number = 0;

    if (seed != 0)
        srandom((unsigned) seed);
    zg_bind(publisher, "publisher", zg_value[0]);
    bool going = zg_sleep(publisher, SETTLE_MS);
    int64_t began = zg_now();
    while (going && (count == 0 || number < count)) {
        int64_t due = rate > 0 ? began + number * 1000 / rate : 0;
        if (due > zg_now())
            going = zg_sleep(publisher, (long) (due - zg_now()));
        going = going && publish(publisher, map, ++number);
    }
    kvmap_report(map, number);
    kvmap_destroy(&map);
    zmq_close(publisher);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
