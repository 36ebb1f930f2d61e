/* SPDX-License-Identifier: 0BSD */
/* pathosub.c - wants one topic of a thousand, and may have to wait for it.
 *
 *     PUB pathopub ---> SUB pathosub
 *                  5556   (this)
 *
 * Started before the publisher it hears its topic within two seconds; started
 * later, within a thousand or so. With lvcache in between it hears the last
 * value of its topic at once, whenever it comes.
 *
 * Build: cc -Icommon ch5-pubsub/pathosub.c -o pathosub -lzmq -lpthread
 * Try it: see lvcache.c.
 *
 * Guide: chapter 5, "Last Value Caching".
 */
#include "zg.h"

static const char usage[] =
    "pathosub [ENDPOINT [TOPIC]]\n"
    "Prints what is published on one topic.\n"
    "  ENDPOINT  connect to pathopub or lvcache (tcp://localhost:5556)\n"
    "  TOPIC     what to subscribe to; without: one of 000 to 999, by chance\n"
    "Peers: lvcache ipc://frontend ENDPOINT, pathopub ipc://frontend\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *subscriber = zg_socket(ctx, ZMQ_SUB);
    char chosen[8], key[64], text[1024];
    zg_msg msg = { 0 };

    sprintf(chosen, "%03u", (unsigned) random() % 1000);
    const char *topic = zg_value[1] != NULL ? zg_value[1] : chosen;
    zg_connect(subscriber, zg_value[0]);
    zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, topic, strlen(topic)));
    printf("I: subscribed to %s\n", topic);
    while (zg_recv(&msg, subscriber, 0))
        if (msg.count == 2)
            printf("%s: %s\n", zg_text(&msg.frame[0], key, sizeof key),
                   zg_text(&msg.frame[1], text, sizeof text));
        else
            zg_drop(&msg, "the publisher");
    zmq_close(subscriber);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
