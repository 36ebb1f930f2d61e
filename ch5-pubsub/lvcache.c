/* SPDX-License-Identifier: 0BSD */
/* lvcache.c - a proxy that tells who subscribes what was said last.
 *
 *     PUB pathopub ---> SUB lvcache XPUB ---> SUB pathosub
 *                  5557   (this)         5558
 *
 * It passes all messages on, and remembers the last of each topic. To subscribe
 * is to send a message, which an XPUB socket can read: then the cache repeats
 * what it has on topics that begin so. With ZMQ_XPUB_VERBOSE it sees each
 * subscription, not only the first to a topic.
 *
 * A message cannot be sent to one subscriber: all who want the topic get the
 * repetition too. Those who subscribe at the same time share one. Nobody gets
 * an older value after a newer one.
 *
 * Build: cc -Icommon ch5-pubsub/lvcache.c -o lvcache -lzmq -lpthread
 *
 * Try it:
 *     $ bin/lvcache & bin/pathopub tcp://localhost:5557 &
 *     $ sleep 2; bin/pathosub tcp://localhost:5558 123
 *     I: frontend bound to tcp://127.0.0.1:5557
 *     I: backend bound to tcp://127.0.0.1:5558
 *     I: 1000 topics published
 *     I: subscribed to 123
 *     I: subscription to 123: ... topics to repeat
 *     123: ...
 *
 * Guide: chapter 5, "Last Value Caching".
 */
#include "lvtable.h"

static const char usage[] =
    "lvcache [FRONTEND [BACKEND]]\n"
    "Passes on what is published, and repeats it to those who come late.\n"
    "  FRONTEND  bind for publishers (tcp://127.0.0.1:5557)\n"
    "  BACKEND   bind for subscribers (tcp://127.0.0.1:5558)\n"
    "Peers: pathopub FRONTEND, pathosub BACKEND\n";

enum {
    BATCH = 100,             /* then it is the turn of the others */
    QUEUE = 2 * MAX_TOPICS,  /* messages for one subscriber, the rest is lost */
    MAX_SUBSCRIPTION = 8192, /* bytes: libzmq needs a hundred for each */
    MAX_SHOWN = 40
};

static void *frontend, *backend;

/* [topic][value] from a publisher. */
static bool from_publisher(zg_msg *msg)
{
    if (!zg_recv(msg, frontend, ZMQ_DONTWAIT))
        return false;
    if (msg->count == 2) {
        remember(&msg->frame[0], &msg->frame[1]);
        zg_send(msg, backend, 0); /* it never waits: a full queue drops */
    } else {
        zg_drop(msg, "a publisher");
    }
    return true;
}

/* [1 prefix] is a subscription, [0 prefix] the end of one. */
static bool from_subscriber(zg_msg *msg)
{
    if (!zg_recv(msg, backend, ZMQ_DONTWAIT))
        return false;
    size_t size = msg->count == 1 ? zmq_msg_size(&msg->frame[0]) : 0;
    const char *event = size > 0 ? zmq_msg_data(&msg->frame[0]) : "";

    if (size == 0 || (event[0] != 1 && event[0] != 0))
        zg_drop(msg, "a subscriber");
    else if (event[0] == 1)
        printf("I: subscription to %.*s: %ld topics to repeat\n",
               size - 1 < MAX_SHOWN ? (int) size - 1 : MAX_SHOWN, event + 1,
               set_due_below(event + 1, size - 1));
    return true;
}

/* [topic][value], again. One after the other, so that publishers need not wait
 * for the end. */
static bool repeat_one(void)
{
    struct topic *topic = TAILQ_FIRST(&repeat);
    zg_msg msg = { 0 };

    if (topic == NULL)
        return false;
    set_due(topic, false);
    zmq_msg_init(&msg.frame[msg.count]);
    zmq_msg_copy(&msg.frame[msg.count++], &topic->name);
    zmq_msg_init(&msg.frame[msg.count]);
    zmq_msg_copy(&msg.frame[msg.count++], &topic->value);
    zg_send(&msg, backend, 0);
    zg_clear(&msg);
    return true;
}

static void serve(void)
{
    zmq_pollitem_t items[] = { { frontend, 0, ZMQ_POLLIN, 0 },
                               { backend, 0, ZMQ_POLLIN, 0 } };
    int64_t until = ZG_FOREVER;
    zg_msg msg = { 0 };

    while (zg_poll(items, 2, until) != -1) {
        for (int n = 0; n < BATCH && from_publisher(&msg); n++)
            ;
        for (int n = 0; n < BATCH && repeat_one(); n++)
            ;
        if (TAILQ_EMPTY(&repeat)) /* all who came meanwhile, together */
            for (int n = 0; n < BATCH && from_subscriber(&msg); n++)
                ;
        until = TAILQ_EMPTY(&repeat) ? ZG_FOREVER : 0;
    }
    zg_clear(&msg);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    frontend = zg_socket(ctx, ZMQ_SUB);
    backend = zg_socket(ctx, ZMQ_XPUB);
    zg_must(zmq_setsockopt(frontend, ZMQ_SUBSCRIBE, "", 0));
    zg_set(backend, ZMQ_XPUB_VERBOSE, 1);
    zg_set(backend, ZMQ_SNDHWM, QUEUE); /* to repeat all it knows at once */
    zg_must(zmq_setsockopt(backend, ZMQ_MAXMSGSIZE,
                           &(int64_t){ MAX_SUBSCRIPTION }, 8));
    zg_bind(frontend, "frontend", zg_value[0]);
    zg_bind(backend, "backend", zg_value[1]);
    serve();
    while (!TAILQ_EMPTY(&all))
        forget(TAILQ_FIRST(&all));
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
