/* SPDX-License-Identifier: 0BSD */
/* espresso.c - prints all messages between a publisher and its subscribers.
 *
 *     PUB publisher ---> XSUB proxy XPUB ---> SUB subscriber    (this: all)
 *                   6000       |         6001
 *                              +-- PUB ---> SUB listener
 *
 * zmq_proxy() sends a copy of each message to its third socket, the tap. It
 * copies both directions: data, and subscriptions, which are messages too. A
 * subscription is a byte, 1 or 0 for its end, and the prefix.
 *
 * The subscriber closes its socket after five messages. The publisher continues
 * to send. A PUB socket drops messages without a subscriber, so the listener
 * prints nothing more.
 *
 * The tap is a PUB socket, which drops messages when the listener is too slow.
 * So a slow listener misses messages and delays none. A PAIR or PUSH tap would
 * block the proxy instead.
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

static const char usage[] =
    "espresso [-m N] [PUBLISHER [OUTPUT]]\n"
    "Prints all messages between a publisher and its subscribers.\n"
    "  -m N       messages per second, 0 = as fast as possible (10)\n"
    "  PUBLISHER  bind the publisher (tcp://127.0.0.1:6000)\n"
    "  OUTPUT     bind for subscribers (tcp://127.0.0.1:6001)\n"
    "Peers: none needed\n";

enum {
    MESSAGES = 5,  /* that the subscriber receives */
    MAX_SHOWN = 70 /* bytes of a frame that are printed */
};

static void *ctx, *publisher, *listener;
static long rate; /* messages per second: -m */

/* Sleep until a time on the clock of zg_now(). Return false on shutdown. */
static bool sleep_until(int64_t time)
{
    return zg_sleep(publisher, (long) (time - zg_now()));
}

/* Publish [letter-number], such as [B-00417], with a letter from A to J. */
static void *publish(void *arg)
{
    int64_t start = zg_now();
    char text[16];

    for (int64_t n = 1;; n++) {
        int size = sprintf(text, "%c-%05ld", (int) ('A' + random() % 10),
                           random() % 100000);
        if (zmq_send(publisher, text, (size_t) size, 0) == -1)
            return arg;
        if (rate > 0 && !sleep_until(start + n * 1000 / rate))
            return arg;
    }
}

/* Receive MESSAGES messages that begin with A or B, then disconnect. */
static void *subscribe(void *endpoint)
{
    void *subscriber = zg_socket(ctx, ZMQ_SUB);
    zg_msg msg = { 0 };

    zg_connect(subscriber, endpoint);
    zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "A", 1));
    zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "B", 1));
    for (int n = 0; n < MESSAGES && zg_recv(&msg, subscriber, 0); n++)
        continue;
    zg_clear(&msg);
    zmq_close(subscriber);
    return NULL;
}

/* Print [1 prefix], [0 prefix] or [data...]. A copy does not show its
 * direction: data of one frame that begins with such a byte looks like a
 * subscription. */
static void print_message(zg_msg *msg)
{
    const char *byte = zmq_msg_data(&msg->frame[0]);
    size_t size = zmq_msg_size(&msg->frame[0]), total = 0;
    char text[MAX_SHOWN + 1];

    if (msg->count == 1 && size > 0 && (*byte == 0 || *byte == 1)) {
        zg_text(&msg->frame[0], text, sizeof text);
        printf("%s '%s'\n", *byte == 1 ? "subscribe" : "unsubscribe", text + 1);
        return;
    }
    printf("data");
    for (int i = 0; i < msg->count; i++) {
        printf(" '%s'", zg_text(&msg->frame[i], text, sizeof text));
        total += zmq_msg_size(&msg->frame[i]);
    }
    printf(", %zu bytes\n", total);
}

static void *listen_to_tap(void *arg)
{
    zg_msg msg = { 0 };

    while (zg_recv(&msg, listener, 0))
        if (msg.count > 0)
            print_message(&msg);
        else
            zg_drop(&msg, "the tap");
    return arg;
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

/* Bind, and store the endpoint, which resolves a wildcard port. */
static void *bind_socket(int type, const char *name, char endpoint[256])
{
    void *sock = zg_socket(ctx, type);
    zg_bind(sock, name, endpoint);
    zg_must(
        zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, endpoint, &(size_t){ 256 }));
    return sock;
}

int main(int argc, char *argv[])
{
    char in[256], out[256];
    pthread_t threads[3];

    zg_args(argc, argv, usage);
    rate = zg_number('m');
    ctx = zg_start();
    check_libzmq();
    snprintf(in, sizeof in, "%s", zg_value[0]);
    snprintf(out, sizeof out, "%s", zg_value[1]);
    publisher = bind_socket(ZMQ_PUB, "publisher", in);
    void *output = bind_socket(ZMQ_XPUB, "output", out);
    void *input = zg_socket(ctx, ZMQ_XSUB), *tap = zg_socket(ctx, ZMQ_PUB);
    zg_set(input, ZMQ_SNDHWM, 0); /* at a limit it would drop subscriptions */
    zg_connect(input, in);
    zg_must(zmq_bind(tap, "inproc://tap"));
    listener = zg_socket(ctx, ZMQ_SUB);
    zg_connect(listener, "inproc://tap");
    zg_must(zmq_setsockopt(listener, ZMQ_SUBSCRIBE, "", 0));
    threads[0] = zg_thread(listen_to_tap, NULL);
    threads[1] = zg_thread(publish, NULL);
    threads[2] = zg_thread(subscribe, out);
    zmq_proxy(input, output, tap); /* returns on shutdown only */
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
