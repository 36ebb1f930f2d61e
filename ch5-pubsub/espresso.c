/* SPDX-License-Identifier: 0BSD */
/* espresso.c - listens to what passes between a publisher and its subscribers.
 *
 *     PUB publisher ---> XSUB proxy XPUB ---> SUB subscriber
 *                   6000       |         6001
 *                              +-- PUB ---> SUB listener    (this: all of it)
 *
 * The third socket of zmq_proxy() gets a copy of all that passes, both ways:
 * data, and subscriptions, which are messages too: a byte 1 (or 0, for an end)
 * and the prefix. When the subscriber leaves, the publisher goes on sending,
 * and nothing passes any more: its socket knows that nobody wants it.
 *
 * The tap is a PUB socket: it drops what the listener is too slow to print. A
 * PAIR or PUSH socket would make the proxy wait, and the subscribers with it.
 *
 * Build: cc -Icommon ch5-pubsub/espresso.c -o espresso -lzmq -lpthread
 *
 * Try it:
 *     $ bin/espresso
 *     I: publisher bound to tcp://127.0.0.1:6000
 *     I: output bound to tcp://127.0.0.1:6001
 *     subscribe 'A'
 *     subscribe 'B'
 *     data '...-...', 7 bytes
 *     unsubscribe 'A'
 *     unsubscribe 'B'
 *
 * Guide: chapter 5, "Pub-Sub Tracing (Espresso Pattern)".
 */
#include "zg.h"
#include <ctype.h>

static const char usage[] =
    "espresso [-n COUNT] [-m N] [-s SEED] [PUBLISHER [OUTPUT]]\n"
    "Shows all that passes between a publisher and its subscribers.\n"
    "  -n COUNT   messages to publish, 0: until stopped (0)\n"
    "  -m N       messages per second, 0 = as fast as it can (10)\n"
    "  -s SEED    for what is published\n"
    "  PUBLISHER  bind the publisher (tcp://127.0.0.1:6000)\n"
    "  OUTPUT     bind for subscribers (tcp://127.0.0.1:6001)\n"
    "Peers: none, it plays them all\n";

enum {
    ENOUGH = 5,             /* messages, and our subscriber leaves */
    MAX_SHOWN = 70,         /* bytes of a frame */
    MAX_SUBSCRIPTION = 8192 /* bytes: libzmq needs much stack to forget it */
};

static void *ctx, *publisher, *input, *output, *tap, *listener;
static long count, rate; /* of what is published */

/* [letter-number], such as [B-00417]: any letter from A to J. */
static void *publish(void *arg)
{
    int64_t began = zg_now(), due;
    char text[16];

    for (long n = 1; count == 0 || n <= count; n++) {
        int size = sprintf(text, "%c-%05ld", (int) ('A' + random() % 10),
                           random() % 100000);
        if (zmq_send(publisher, text, (size_t) size, 0) == -1)
            return arg;
        due = rate > 0 ? began + (int64_t) n * 1000 / rate : 0;
        if (due > zg_now() && !zg_sleep(publisher, (long) (due - zg_now())))
            return arg;
    }
    zmq_ctx_shutdown(ctx); /* all is said */
    return arg;
}

/* Take some messages of kind A and B, and leave. */
static void *subscribe(void *endpoint)
{
    void *subscriber = zg_socket(ctx, ZMQ_SUB);
    zg_msg msg = { 0 };

    zg_connect(subscriber, endpoint);
    zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "A", 1));
    zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "B", 1));
    for (int n = 0; n < ENOUGH && zg_recv(&msg, subscriber, 0); n++)
        continue;
    zg_clear(&msg);
    zmq_close(subscriber);
    return NULL;
}

static void show_bytes(const unsigned char *byte, size_t size)
{
    fputs(" '", stdout);
    for (size_t n = 0; n < size && n < MAX_SHOWN; n++)
        printf(isprint(byte[n]) ? "%c" : "\\x%02X", byte[n]);
    fputs(size > MAX_SHOWN ? "...'" : "'", stdout);
}

/* [1 prefix], [0 prefix], or data. The tap does not say which way it went, so
 * data of one frame that begins with such a byte looks like a subscription. */
static void show(zg_msg *msg)
{
    const unsigned char *byte = zmq_msg_data(&msg->frame[0]);
    size_t size = zmq_msg_size(&msg->frame[0]), total = 0;

    if (msg->count == 1 && size > 0 && byte[0] <= 1) {
        fputs(byte[0] == 1 ? "subscribe" : "unsubscribe", stdout);
        show_bytes(byte + 1, size - 1);
        putchar('\n');
        return;
    }
    fputs("data", stdout);
    for (int i = 0; i < msg->count; i++) {
        size = zmq_msg_size(&msg->frame[i]);
        show_bytes(zmq_msg_data(&msg->frame[i]), size);
        total += size;
    }
    printf(", %zu bytes\n", total);
}

/* Wait until stdout takes a line, then print it. A printf() that waits could
 * not be stopped; a poll can. */
static void *listen_in(void *arg)
{
    zmq_pollitem_t items[] = { { NULL, STDOUT_FILENO, ZMQ_POLLOUT, 0 },
                               { listener, 0, ZMQ_POLLERR, 0 } };
    zg_msg msg = { 0 };

    while (zg_recv(&msg, listener, 0) && zg_poll(items, 2, ZG_FOREVER) != -1)
        if (msg.count > 0)
            show(&msg);
        else
            zg_drop(&msg, "the tap");
    zg_clear(&msg);
    return arg;
}

/* The two that others may connect to; returns where that is. */
static char *bind_to(void *sock, const char *name, char place, char bound[256])
{
    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &(int64_t){ MAX_SUBSCRIPTION },
                           8));
    zg_bind(sock, name, zg_value[(int) place]);
    zg_must(zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, bound, &(size_t){ 256 }));
    return bound;
}

int main(int argc, char *argv[])
{
    char in[256], out[256];
    pthread_t threads[3];

    zg_args(argc, argv, usage);
    count = zg_number('n');
    rate = zg_number('m');
    ctx = zg_start();
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    publisher = zg_socket(ctx, ZMQ_PUB);
    input = zg_socket(ctx, ZMQ_XSUB);
    output = zg_socket(ctx, ZMQ_XPUB);
    tap = zg_socket(ctx, ZMQ_PUB);
    listener = zg_socket(ctx, ZMQ_SUB);
    zg_set(output, ZMQ_XPUB_VERBOSER, 1); /* the second who wants A, too */
    zg_connect(input, bind_to(publisher, "publisher", 0, in));
    bind_to(output, "output", 1, out);
    zg_must(zmq_bind(tap, "inproc://tap"));
    zg_connect(listener, "inproc://tap");
    zg_must(zmq_setsockopt(listener, ZMQ_SUBSCRIBE, "", 0));
    threads[0] = zg_thread(listen_in, NULL);
    threads[1] = zg_thread(publish, NULL);
    threads[2] = zg_thread(subscribe, out);
    zmq_proxy(input, output, tap);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    zmq_close(publisher);
    zmq_close(input);
    zmq_close(output);
    zmq_close(tap);
    zmq_close(listener);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
