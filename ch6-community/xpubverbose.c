/* SPDX-License-Identifier: 0BSD */
/* xpubverbose.c - what a publisher is told about its subscribers.
 *
 *     XPUB publisher <---subscribe 'A'--- SUB subscriber 1
 *         (this)     <---subscribe 'A'--- SUB subscriber 2
 *                    <---subscribe 'A'--- SUB subscriber 3
 *
 * An XPUB receives subscriptions as messages: a byte, 1 or 0, and the topic. It
 * is told what is new: that somebody wants A, and that nobody does any more.
 * A publisher that wants to greet each newcomer, with the last value say, needs
 * more; so a user wrote what is now ZMQ_XPUB_VERBOSE.
 *
 * That nothing was told is hard to see. So each subscriber also takes a topic
 * of its own, which is always told, and when that has come the rest has, too.
 *
 * Build: cc -Icommon ch6-community/xpubverbose.c -o xpubverbose
 *           -lzmq -lpthread
 *
 * Try it:
 *     $ bin/xpubverbose
 *     without an option
 *       subscriber 1 comes: subscribe 'A'
 *       subscriber 2 comes: nothing
 *     ZMQ_XPUB_VERBOSE
 *       subscriber 2 comes: subscribe 'A'
 *
 * Guide: chapter 6, "A Real-Life Example".
 */
#include "zg.h"

static const char usage[] =
    "xpubverbose [-c N]\n"
    "Shows what an XPUB is told when subscribers to one topic come and go.\n"
    "  -c N  subscribers (3)\n"
    "Peers: none, it plays them all\n";

enum { MAX_SUBSCRIBERS = 100 };

static const struct {
    const char *name;
    int option;
} ways[] = {
    { "without an option", 0 },
    { "ZMQ_XPUB_VERBOSE", ZMQ_XPUB_VERBOSE },
    { "ZMQ_XPUB_VERBOSER", ZMQ_XPUB_VERBOSER },
};

/* The events up to the one about this mark: [1 or 0, and the topic]. */
static bool show_events(void *publisher, const char *mark)
{
    zg_msg event = { 0 };
    const char *nothing = " nothing";
    bool marked = false;

    while (!marked && zg_recv(&event, publisher, 0)) {
        const char *data = zmq_msg_data(&event.frame[0]);
        int size = (int) zmq_msg_size(&event.frame[0]) - 1;

        marked = size == (int) strlen(mark)
                 && memcmp(data + 1, mark, (size_t) size) == 0;
        if (!marked) {
            printf(" %s '%.*s'", data[0] == 1 ? "subscribe" : "unsubscribe",
                   size, data + 1);
            nothing = "";
        }
    }
    puts(nothing);
    zg_clear(&event);
    return marked;
}

/* It subscribes to A or no longer, and to its mark. */
static bool step(void *publisher, void *subscriber, int number, bool comes)
{
    int option = comes ? ZMQ_SUBSCRIBE : ZMQ_UNSUBSCRIBE;
    char mark[24];

    snprintf(mark, sizeof mark, "mark %d", number);
    printf("  subscriber %d %s:", number, comes ? "comes" : "goes");
    zg_must(zmq_setsockopt(subscriber, option, "A", 1));
    zg_must(zmq_setsockopt(subscriber, option, mark, strlen(mark)));
    return show_events(publisher, mark);
}

/* All come, and then go in the same order. */
static bool show(void *ctx, const char *name, int option, int count)
{
    void *publisher = zg_socket(ctx, ZMQ_XPUB), *subscriber[MAX_SUBSCRIBERS];
    bool going_on = true;

    puts(name);
    if (option != 0)
        zg_set(publisher, option, 1);
    zg_must(zmq_bind(publisher, "inproc://publisher"));
    for (int i = 0; i < count; i++) {
        subscriber[i] = zg_socket(ctx, ZMQ_SUB);
        zg_connect(subscriber[i], "inproc://publisher");
    }
    for (int i = 0; i < 2 * count && going_on; i++)
        going_on =
            step(publisher, subscriber[i % count], i % count + 1, i < count);
    for (int i = 0; i < count; i++)
        zmq_close(subscriber[i]);
    zg_must(zmq_unbind(publisher, "inproc://publisher"));
    zmq_close(publisher);
    return going_on;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('c');
    if (count > MAX_SUBSCRIBERS)
        zg_usage_error();
    void *ctx = zg_start();
    bool going_on = true;

    for (size_t i = 0; i < sizeof ways / sizeof ways[0] && going_on; i++)
        going_on = show(ctx, ways[i].name, ways[i].option, (int) count);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
