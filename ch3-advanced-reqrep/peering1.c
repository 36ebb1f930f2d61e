/* SPDX-License-Identifier: 0BSD */
/* peering1.c - broker that publishes how many idle workers its cluster has.
 *
 *     PUB SELF-state.ipc (this) ---> SUB of every peer
 *     SUB (this) <--- PUB PEER-state.ipc of every peer
 *
 * Each broker publishes its state and subscribes to the states of all others.
 * It publishes on a timer. If it published only when nothing has arrived for a
 * while, a broker with many peers would be silent. If it published in answer to
 * each message, the brokers would flood each other. A new state replaces the
 * one before it, so a late subscriber only waits for the next.
 *
 * A peer that dies simply stops publishing: peering3.c lets its state expire.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/peering1.c -o peering1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/peering1 DC1 DC2 & bin/peering1 DC2 DC1
 *     DC2 - ... workers idle
 *     DC1 - ... workers idle
 *
 * Guide: chapter 3, "Prototyping the State Flow".
 */
#include "peering.h"

static const char usage[] =
    "peering1 [-i MS] [-s SEED] SELF [PEER...]\n"
    "Publishes a (random) number of idle workers and prints those of peers.\n"
    "  -i MS    interval between state messages (1000)\n"
    "  -s SEED  of the random numbers\n"
    "  SELF     name of this cluster\n"
    "  PEER...  names of the other clusters\n"
    "Peers: peering1 PEER SELF\n";

/* [peer][idle workers] */
static void from_peer(zg_msg *msg)
{
    long workers = parse_state(msg);
    char name[256];

    if (workers == -1)
        zg_drop(msg, "a peer");
    else
        printf("%s - %ld workers idle\n",
               zg_text(&msg->frame[0], name, sizeof name), workers);
}

int main(int argc, char *argv[])
{
    char **names = zg_args(argc, argv, usage);
    int64_t interval = zg_number('i'), publish_at = zg_now();
    if (interval == 0 || names[0] == NULL)
        zg_usage_error();
    void *ctx = zg_start();
    void *statebe = zg_socket(ctx, ZMQ_PUB), *statefe = zg_socket(ctx, ZMQ_SUB);
    zmq_pollitem_t item = { statefe, 0, ZMQ_POLLIN, 0 };
    zg_msg msg = { 0 };

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    bind_part(statebe, zg_value[0], "state");
    zg_must(zmq_setsockopt(statefe, ZMQ_SUBSCRIBE, "", 0));
    for (char **peer = names + 1; *peer != NULL; peer++)
        connect_part(statefe, *peer, "state");
    while (zg_poll(&item, 1, publish_at) != -1) {
        if (zg_recv(&msg, statefe, ZMQ_DONTWAIT))
            from_peer(&msg);
        if (zg_now() >= publish_at) {
            publish_state(statebe, zg_value[0], random() % 10);
            publish_at = zg_now() + interval;
        }
    }
    zg_clear(&msg);
    zmq_close(statebe);
    zmq_close(statefe);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
