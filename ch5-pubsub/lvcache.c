/* SPDX-License-Identifier: 0BSD */
/* lvcache.c - last value cache: a proxy that sends the last value of each topic
 * to new subscribers.
 *
 *     PUB pathopub ---> SUB lvcache XPUB ---> SUB pathosub
 *                  5557   (this)         5558
 *
 * The cache passes on all messages and stores the last one of each topic. An
 * XPUB socket receives each subscription as a message. The cache then replays
 * the values of all topics that begin with this prefix.
 *
 * An XPUB cannot send to one subscriber, so a replay goes to all that have
 * subscribed to the topic. Subscriptions that arrive during a replay wait for
 * its end; equal ones then share one replay. A replayed value is never older
 * than a value sent before.
 *
 * The cache stores 250,000 topics and 256 MiB at most. When it is full, it
 * removes the topic with the oldest update. Up to 500,000 messages wait for a
 * subscriber that does not read; their number is bounded, their size is not.
 *
 * After a restart the cache is empty. The table of clonesrv6.c survives a
 * killed server.
 *
 * Build: cc -Icommon ch5-pubsub/lvcache.c ch5-pubsub/table.c -o lvcache
 *           -lzmq -lpthread
 *
 * Try it:
 *     $ bin/lvcache & bin/pathopub tcp://localhost:5557 &
 *     $ sleep 2; bin/pathosub tcp://localhost:5558 123
 *     I: frontend bound to tcp://127.0.0.1:5557
 *     I: backend bound to tcp://127.0.0.1:5558
 *     I: 1000 topics published
 *     I: subscription to '123'
 *     123: ...
 *
 * Guide: chapter 5, "Last Value Caching".
 */
#include "table.h"

static const char usage[] =
    "lvcache [-C] [FRONTEND [BACKEND]]\n"
    "Passes on messages, and sends last values to new subscribers.\n"
    "  -C        connect to FRONTEND, for a publisher that binds\n"
    "  FRONTEND  bind for publishers (tcp://127.0.0.1:5557)\n"
    "  BACKEND   bind for subscribers (tcp://127.0.0.1:5558)\n"
    "Peers: pathopub FRONTEND, pathosub BACKEND\n";

enum {
    MAX_TOPICS = 250000,
    MAX_BYTES = 256 << 20,
    MAX_QUEUE = 2 * MAX_TOPICS, /* for a subscriber: a replay and updates */
    BATCH = 100                 /* of messages, before others are served */
};

static void *frontend, *backend;
static table *cache;   /* [topic][value], at the time of the update */
static table *pending; /* [prefix], subscriptions without a replay yet */
static zg_msg replay;  /* [prefix][next topic], in progress; or empty */

/* Store [topic][value]. When the cache is full, remove the topic with the
 * oldest update. */
static void store_value(zg_msg *msg)
{
    static bool was_full;
    table_put(cache, msg, zg_now());
    while (table_count(cache) > MAX_TOPICS || table_bytes(cache) > MAX_BYTES) {
        if (!was_full)
            fprintf(stderr, "W: cache full: each new topic replaces another\n");
        was_full = true;
        table_remove(cache, table_first_timed(cache));
    }
}

/* [topic][value] */
static void from_publisher(zg_msg *msg)
{
    if (msg->count != 2) {
        zg_drop(msg, "a publisher");
        return;
    }
    store_value(msg);
    zg_send(msg, backend, 0); /* an XPUB never blocks: it drops instead */
}

/* [1 prefix] subscribes, [0 prefix] ends a subscription. */
static void from_subscriber(zg_msg *msg)
{
    size_t size = msg->count == 1 ? zmq_msg_size(&msg->frame[0]) : 0;
    const char *event = size > 0 ? zmq_msg_data(&msg->frame[0]) : "";
    zg_msg prefix = { 0 };
    char text[64];

    if (size == 0 || (*event != 0 && *event != 1)) {
        zg_drop(msg, "a subscriber");
    } else if (*event == 1) {
        zg_insert(&prefix, 0, event + 1, size - 1);
        table_put(pending, &prefix, 0);
        printf("I: subscription to '%s'\n",
               zg_text(&prefix.frame[0], text, sizeof text));
        zg_clear(&prefix);
    }
}

/* Return true if the key of this item begins with the prefix of the replay. */
static bool is_in_replay(const item *it)
{
    zmq_msg_t *prefix = &replay.frame[0];
    return it != NULL
           && item_is_below(it, zmq_msg_data(prefix), zmq_msg_size(prefix));
}

/* Begin the first pending replay. It also serves the pending longer prefixes,
 * so remove them too. Return false if none is pending. */
static bool begin_replay(void)
{
    item *it = table_first(pending);
    if (it == NULL)
        return false;
    item_append(it, &replay); /* the prefix */
    item_append(it, &replay); /* the cursor: no topic sorts before its prefix */
    do {
        table_remove(pending, it);
        it = table_first(pending);
    } while (is_in_replay(it));
    return true;
}

/* Send a batch of the topics in the replay: [topic][value]. */
static void continue_replay(void)
{
    zmq_msg_t *next = &replay.frame[1];
    item *topic =
        table_lower_bound(cache, zmq_msg_data(next), zmq_msg_size(next));
    zg_msg msg = { 0 };

    for (int n = 0; n < BATCH && is_in_replay(topic); n++) {
        item_append(topic, &msg);
        zg_send(&msg, backend, 0);
        zg_clear(&msg); /* if it was not sent: shutdown */
        topic = item_next(topic);
    }
    if (is_in_replay(topic)) {
        size_t size;
        const void *key = item_frame(topic, 0, &size);
        zg_cut(&replay, 1);
        zg_insert(&replay, 1, key, size);
    } else {
        zg_clear(&replay);
    }
}

/* In each round, read a batch of messages and of subscriptions, and replay.
 * Read no subscriptions during a replay: equal ones then share the next replay,
 * and at most BATCH prefixes are pending. */
static void serve(void)
{
    zmq_pollitem_t items[] = { { frontend, 0, ZMQ_POLLIN, 0 },
                               { backend, 0, ZMQ_POLLIN, 0 } };
    bool replaying = false;
    zg_msg msg = { 0 };

    while (zg_poll(items, 2, replaying ? 0 : ZG_FOREVER) != -1) {
        for (int n = 0; n < BATCH && zg_recv(&msg, frontend, ZMQ_DONTWAIT); n++)
            from_publisher(&msg);
        if (!replaying)
            for (int n = 0; n < BATCH && zg_recv(&msg, backend, ZMQ_DONTWAIT);
                 n++)
                from_subscriber(&msg);
        replaying = replay.count > 0 || begin_replay();
        if (replaying)
            continue_replay();
    }
    zg_clear(&msg);
    zg_clear(&replay);
}

/* Warn if the libzmq in use is one whose XPUB a subscriber can crash. */
static void check_libzmq(void)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    if (ZMQ_MAKE_VERSION(major, minor, patch) < ZMQ_MAKE_VERSION(4, 3, 3))
        fprintf(stderr,
                "W: libzmq %d.%d.%d: a subscriber can crash it before 4.3.3\n",
                major, minor, patch);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    check_libzmq();
    cache = table_new();
    pending = table_new();
    frontend = zg_socket(ctx, ZMQ_SUB);
    backend = zg_socket(ctx, ZMQ_XPUB);
    zg_must(zmq_setsockopt(frontend, ZMQ_SUBSCRIBE, "", 0));
    zg_set(backend, ZMQ_XPUB_VERBOSE, 1); /* report repeated subscriptions */
    zg_set(backend, ZMQ_SNDHWM, MAX_QUEUE);
    if (zg_value['C'] != NULL)
        zg_connect(frontend, zg_value[0]);
    else
        zg_bind(frontend, "frontend", zg_value[0]);
    zg_bind(backend, "backend", zg_value[1]);
    serve();
    table_destroy(&cache);
    table_destroy(&pending);
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
