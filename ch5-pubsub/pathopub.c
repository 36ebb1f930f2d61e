/* SPDX-License-Identifier: 0BSD */
/* pathopub.c - publishes a thousand topics once, then one of them every second.
 *
 *     PUB pathopub ---> SUB pathosub
 *        (this)    5556
 *
 *     PUB pathopub ---> SUB lvcache XPUB ---> SUB pathosub
 *        (this)    5557                  5558
 *
 * The topics of the updates are random, so each topic is updated every 1000
 * seconds on average. A subscriber that connects after the first round waits
 * that long for a value of its topic. lvcache.c sends the last value at once:
 * given an endpoint, pathopub connects to an lvcache. If lvcache is not
 * connected within a second, the first round is lost.
 *
 * Build: cc -Icommon ch5-pubsub/pathopub.c -o pathopub -lzmq -lpthread
 * Try it: see lvcache.c.
 *
 * Guide: chapter 5, "Last Value Caching".
 */
#include "zg.h"

static const char usage[] =
    "pathopub [-n COUNT] [-m N] [ENDPOINT]\n"
    "Publishes a thousand topics once, then random ones of them.\n"
    "  -n COUNT  updates after the first round, 0: until stopped (0)\n"
    "  -m N      updates per second, 0 = as fast as possible (1)\n"
    "  ENDPOINT  connect to lvcache; without: bind tcp://127.0.0.1:5556\n"
    "Peers: lvcache ENDPOINT ipc://backend, pathosub ipc://backend\n";

enum {
    TOPICS = 1000,
    CONNECT_MS = 1000, /* for subscribers to connect before we publish */
};

static void *publisher;

/* Publish [topic][text], with the topic in three digits. Return false on
 * shutdown. */
static bool publish(long topic, const char *text)
{
    char name[24];
    int size = sprintf(name, "%03ld", topic);

    return zmq_send(publisher, name, (size_t) size, ZMQ_SNDMORE) != -1
           && zmq_send(publisher, text, strlen(text), 0) != -1;
}

/* Sleep until a time on the clock of zg_now(). Return false on shutdown. */
static bool sleep_until(int64_t time)
{
    return zg_sleep(publisher, (long) (time - zg_now()));
}

/* Return false on shutdown. */
static bool publish_all_topics(void)
{
    for (long topic = 0; topic < TOPICS; topic++)
        if (!publish(topic, "Save Roger"))
            return false;
    printf("I: %d topics published\n", TOPICS);
    return true;
}

static void publish_updates(long count, long rate)
{
    int64_t start = zg_now();

    for (int64_t n = 1; count == 0 || n <= count; n++) {
        if (rate > 0 && !sleep_until(start + n * 1000 / rate))
            break;
        if (!publish(random() % TOPICS, "Off with his head!"))
            break;
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), rate = zg_number('m');
    void *ctx = zg_start();

    publisher = zg_socket(ctx, ZMQ_PUB);
    if (zg_value[0] != NULL)
        zg_connect(publisher, zg_value[0]);
    else
        zg_bind(publisher, "publisher", "tcp://127.0.0.1:5556");
    if (zg_sleep(publisher, CONNECT_MS) && publish_all_topics())
        publish_updates(count, rate);
    zmq_close(publisher);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
