/* SPDX-License-Identifier: 0BSD */
/* peering1.c - brokers tell each other how many workers they have free.
 *
 *     PUB peering1 (this) SUB          SELF-state.ipc is where we publish,
 *       |            ^                 and PEER-state.ipc what we connect to,
 *       v            |                 for each of the others
 *     SUB          PUB ... the other clusters
 *
 * The state goes out on a timer, never as an answer to what others say: a
 * broker that hears much would otherwise say nothing, or all would shout.
 * It is news, not history: who comes late hears the next one a second later.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/peering1.c -o peering1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/peering1 DC1 DC2 & bin/peering1 DC2 DC1
 *     DC2 - ... workers free
 *     DC1 - ... workers free
 *
 * Guide: chapter 3, "Prototyping the State Flow".
 */
#include "zg.h"

#include "peering.h"

static const char usage[] =
    "peering1 [-i MS] [-s SEED] SELF [PEER...]\n"
    "A broker that publishes how many workers are free (here: any number).\n"
    "  -i MS    interval of the state messages (1000)\n"
    "  -s SEED  for the numbers\n"
    "  SELF     name of this cluster\n"
    "  PEER...  names of the others\n"
    "Peers: peering1 PEER SELF\n";

int main(int argc, char *argv[])
{
    char **names = zg_args(argc, argv, usage);
    int64_t interval = zg_number('i'), publish_at = zg_now();
    void *ctx = zg_start();
    void *statebe = zg_socket(ctx, ZMQ_PUB), *statefe = zg_socket(ctx, ZMQ_SUB);
    zmq_pollitem_t item = { statefe, 0, ZMQ_POLLIN, 0 };
    zg_msg msg = { 0 };
    char text[256];

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    bind_to(statebe, names[0], "state");
    zg_must(zmq_setsockopt(statefe, ZMQ_SUBSCRIBE, "", 0));
    connect_to(statefe, names + 1, "state");
    while (zg_poll(&item, 1, publish_at) != -1) {
        if (zg_recv(&msg, statefe, ZMQ_DONTWAIT)) {
            if (free_workers(&msg) >= 0)
                printf("%s - %ld workers free\n",
                       zg_text(&msg.frame[0], text, sizeof text),
                       free_workers(&msg));
            else
                zg_drop(&msg, "a peer");
        }
        if (zg_now() >= publish_at) {
            publish(statebe, names[0], random() % 10);
            publish_at = zg_now() + interval;
        }
    }
    zg_clear(&msg);
    zmq_close(statebe);
    zmq_close(statefe);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
