/* SPDX-License-Identifier: 0BSD */
/* xpubverbose.c - shows which subscriptions an XPUB socket reports.
 *
 *     XPUB publisher <---subscribe 'A'--- SUB subscriber 1
 *         (this)     <---subscribe 'A'--- SUB subscriber 2
 *                    <---subscribe 'A'--- SUB subscriber 3
 *
 * An XPUB receives subscriptions as messages: a byte, 1 or 0, and the topic. By
 * default it reports only changes: the first subscription to A, and the end of
 * the last one. A publisher that sends the last value to each new subscriber
 * must know of each subscription. A user needed that and added the option that
 * is now ZMQ_XPUB_VERBOSE.
 *
 * To show that nothing is reported, each subscriber also subscribes to a second
 * topic, which only this subscriber uses. That is always reported, and any
 * report about A comes before it.
 *
 * A PUB cannot send to one subscriber. So lvcache.c sends the last value to all
 * subscribers of the topic.
 *
 * Build: cc -Icommon ch6-community/xpubverbose.c -o xpubverbose
 *           -lzmq -lpthread
 *
 * Try it:
 *     $ bin/xpubverbose
 *     without an option
 *       subscriber 1 subscribes: subscribe 'A'
 *       subscriber 2 subscribes: nothing
 *     ...
 *     ZMQ_XPUB_VERBOSE
 *     ...
 *       subscriber 2 subscribes: subscribe 'A'
 *
 * Guide: chapter 6, "A Real-Life Example".
 */
#include "zg.h"

static const char usage[] =
    "xpubverbose [-c N]\n"
    "Shows what an XPUB reports when subscribers to one topic come and go.\n"
    "  -c N  subscribers (3)\n"
    "Peers: none, it plays them all\n";

enum { MAX_SUBSCRIBERS = 100 };

static const struct {
    const char *name;
    int option;
} modes[] = {
    { "without an option", 0 },
    { "ZMQ_XPUB_VERBOSE", ZMQ_XPUB_VERBOSE },
    { "ZMQ_XPUB_VERBOSER", ZMQ_XPUB_VERBOSER },
};

/* Print the reports, [1 or 0, topic], before the one about this topic. Return
 * false on shutdown. */
static bool print_reports(void *publisher, const char *last_topic)
{
    const char *nothing = " nothing";
    zg_msg report = { 0 };
    char topic[24] = "";

    while (zg_recv(&report, publisher, 0)) {
        bool subscribe = *(char *) zmq_msg_data(&report.frame[0]) == 1;

        zg_text(&report.frame[0], topic, sizeof topic);
        if (strcmp(topic + 1, last_topic) == 0) {
            puts(nothing);
            zg_clear(&report);
            return true;
        }
        printf(" %s '%s'", subscribe ? "subscribe" : "unsubscribe", topic + 1);
        nothing = "";
    }
    return false;
}

/* Subscribe to A and to the subscriber's own topic, or end both subscriptions,
 * and print the reports. Return false on shutdown. */
static bool change(void *publisher, void *subscriber, int number, bool begin)
{
    int option = begin ? ZMQ_SUBSCRIBE : ZMQ_UNSUBSCRIBE;
    char own_topic[24];

    snprintf(own_topic, sizeof own_topic, "subscriber %d", number);
    printf("  subscriber %d %s:", number,
           begin ? "subscribes" : "unsubscribes");
    zg_must(zmq_setsockopt(subscriber, option, "A", 1));
    zg_must(zmq_setsockopt(subscriber, option, own_topic, strlen(own_topic)));
    return print_reports(publisher, own_topic);
}

/* Let all subscribers subscribe, and then unsubscribe in the same order. Return
 * false on shutdown. */
static bool show(void *ctx, const char *name, int option, int count)
{
    void *publisher = zg_socket(ctx, ZMQ_XPUB), *subscriber[MAX_SUBSCRIBERS];
    bool running = true;

    puts(name);
    if (option != 0)
        zg_set(publisher, option, 1);
    zg_must(zmq_bind(publisher, "inproc://publisher"));
    for (int i = 0; i < count; i++) {
        subscriber[i] = zg_socket(ctx, ZMQ_SUB);
        zg_connect(subscriber[i], "inproc://publisher");
    }
    for (int i = 0; i < count && running; i++)
        running = change(publisher, subscriber[i], i + 1, true);
    for (int i = 0; i < count && running; i++)
        running = change(publisher, subscriber[i], i + 1, false);
    for (int i = 0; i < count; i++)
        zmq_close(subscriber[i]);
    /* zmq_close() frees the name later, in another thread. */
    zg_must(zmq_unbind(publisher, "inproc://publisher"));
    zmq_close(publisher);
    return running;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('c');
    if (count > MAX_SUBSCRIBERS)
        zg_usage_error();
    void *ctx = zg_start();
    bool running = true;

    for (size_t i = 0; i < sizeof modes / sizeof modes[0] && running; i++)
        running = show(ctx, modes[i].name, modes[i].option, (int) count);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
