/* SPDX-License-Identifier: 0BSD */
/* pathosub.c - subscribes to one topic of a thousand, and prints its values.
 *
 *     PUB pathopub ---> SUB pathosub
 *                  5556   (this)
 *
 * A subscriber that starts before pathopub receives a value of its topic within
 * two seconds of pathopub's start. A later one waits until the topic is updated
 * again, 1000 seconds on average. A subscriber of lvcache always receives the
 * last value at once.
 *
 * Build: cc -Icommon ch5-pubsub/pathosub.c -o pathosub -lzmq -lpthread
 * Try it: see lvcache.c.
 *
 * Guide: chapter 5, "Last Value Caching".
 */
#include "zg.h"

static const char usage[] =
    "pathosub [ENDPOINT [TOPIC]]\n"
    "Prints the values of one topic.\n"
    "  ENDPOINT  connect to pathopub or lvcache (tcp://localhost:5556)\n"
    "  TOPIC     to subscribe to; without: one of 000 to 999, at random\n"
    "Peers: lvcache ipc://frontend ENDPOINT, pathopub ipc://frontend\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *subscriber = zg_socket(ctx, ZMQ_SUB);
    char any_topic[8], topic[64], value[1024];
    zg_msg msg = { 0 };

    sprintf(any_topic, "%03u", (unsigned) random() % 1000);
    const char *wanted = zg_value[1] != NULL ? zg_value[1] : any_topic;
    zg_connect(subscriber, zg_value[0]);
    zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, wanted, strlen(wanted)));
    printf("I: subscribed to %s\n", wanted);
    while (zg_recv(&msg, subscriber, 0))
        if (msg.count == 2)
            printf("%s: %s\n", zg_text(&msg.frame[0], topic, sizeof topic),
                   zg_text(&msg.frame[1], value, sizeof value));
        else
            zg_drop(&msg, "the publisher");
    zmq_close(subscriber);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
