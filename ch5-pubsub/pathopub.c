/* SPDX-License-Identifier: 0BSD */
/* pathopub.c - says each of a thousand things once, and then one a second.
 *
 *     PUB pathopub ---> SUB pathosub
 *        (this)    5556
 *
 *     PUB pathopub ---> SUB lvcache XPUB ---> SUB pathosub
 *        (this)    5557                  5558
 *
 * The worst case for who comes late: any one topic is told anew every thousand
 * seconds, on the average. Given an endpoint it connects there, to a cache.
 *
 * Build: cc -Icommon ch5-pubsub/pathopub.c -o pathopub -lzmq -lpthread
 * Try it: see lvcache.c.
 *
 * Guide: chapter 5, "Last Value Caching".
 */
#include "zg.h"

static const char usage[] =
    "pathopub [-n COUNT] [-m N] [-s SEED] [ENDPOINT]\n"
    "Publishes a thousand topics once, then one by chance every second.\n"
    "  -n COUNT  updates after the first thousand, 0: until stopped (0)\n"
    "  -m N      updates per second, 0 = as fast as it can (1)\n"
    "  -s SEED   for which topics are updated\n"
    "  ENDPOINT  connect to lvcache; without: bind tcp://127.0.0.1:5556\n"
    "Peers: lvcache ENDPOINT ipc://backend, pathosub ipc://backend\n";

enum { TOPICS = 1000, HEAD_START_MS = 1000 };

/* [topic][text], the topic in three digits; false to stop. */
static bool publish(void *publisher, long topic, const char *text)
{
    char name[24];
    int size = sprintf(name, "%03ld", topic);

    return zmq_send(publisher, name, (size_t) size, ZMQ_SNDMORE) != -1
           && zmq_send(publisher, text, strlen(text), 0) != -1;
}

static void publish_all(void *publisher, long count, long rate)
{
    int64_t began = zg_now() + HEAD_START_MS, due;

    /* Who connects now shall hear it all. */
    if (!zg_sleep(publisher, HEAD_START_MS))
        return;
    for (long topic = 0; topic < TOPICS; topic++)
        publish(publisher, topic, "Save Roger");
    printf("I: %d topics published\n", TOPICS);
    for (long n = 1; count == 0 || n <= count; n++) {
        due = rate > 0 ? began + (int64_t) n * 1000 / rate : 0;
        if (due > zg_now() && !zg_sleep(publisher, (long) (due - zg_now())))
            return;
        if (!publish(publisher, random() % TOPICS, "Off with his head!"))
            return;
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), rate = zg_number('m');
    void *ctx = zg_start(), *publisher = zg_socket(ctx, ZMQ_PUB);

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    if (zg_value[0] != NULL)
        zg_connect(publisher, zg_value[0]);
    else
        zg_bind(publisher, "publisher", "tcp://127.0.0.1:5556");
    publish_all(publisher, count, rate);
    zmq_close(publisher);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
