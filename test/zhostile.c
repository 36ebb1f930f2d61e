/* SPDX-License-Identifier: 0BSD */
/* zhostile.c - sends nonsense to whatever is bound to an endpoint.
 *
 *     zhostile [-n COUNT] [-s SEED] ENDPOINT
 *
 * It tries socket types until one is accepted, and then sends messages of 1 to
 * 24 frames: random bytes, words of the protocols in the wrong place, numbers
 * that are none, frames of up to 2 MB. It takes a new routing id now and then.
 */
#include "zg.h"

static const char usage[] = "zhostile [-n COUNT] [-s SEED] ENDPOINT\n"
                            "Sends nonsense to an endpoint.\n"
                            "  -n COUNT  messages (5000)\n"
                            "  -s SEED   for what they are (1)\n"
                            "  ENDPOINT  where\n";

static const struct {
    int type;
    const char *name;
} types[] = {
    { ZMQ_DEALER, "DEALER" }, { ZMQ_PUSH, "PUSH" }, { ZMQ_XSUB, "XSUB" },
    { ZMQ_PUB, "PUB" },       { ZMQ_PAIR, "PAIR" },
};

static const struct {
    const char *bytes;
    size_t size;
} words[] = {
    { "", 0 },
    { "", 0 },
    { "", 0 },
    { "\0", 1 },
    { "\001", 1 },
    { "\002", 1 },
    { "\003", 1 },
    { "\004", 1 },
    { "\005", 1 },
    { "\006", 1 },
    { "READY", 5 },
    { "Hi Boss", 7 },
    { "MDPC01", 6 },
    { "MDPW01", 6 },
    { "MDPC02", 6 },
    { "echo", 4 },
    { "mmi.service", 11 },
    { "mmi.x", 5 },
    { "PING", 4 },
    { "titanic.request", 15 },
    { "PONG", 4 },
    { "200", 3 },
    { "titanic.reply", 13 },
    { "HUGZ", 4 },
    { "fetch", 5 },
    { "titanic.close", 13 },
    { "ICANHAZ?", 8 },
    { "KTHXBAI", 7 },
    { "-1", 2 },
    { "0", 1 },
    { "5", 1 },
    { "3", 1 },
    { "99999999999999999999", 20 },
    { "1e9", 3 },
    { "../../x", 7 },
    { "0123456789ABCDEF0123456789ABCDEF", 32 },
    { "4 x", 3 },
};

static void *connect_as(void *ctx, int type, const char *endpoint)
{
    void *sock = zg_socket(ctx, type);
    char id[9];

    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (char) (random() % 4 == 0 ? i : (size_t) random());
    zg_must(zmq_setsockopt(sock, ZMQ_ROUTING_ID, id, 1 + random() % 8));
    zg_set(sock, ZMQ_LINGER, 200);
    zg_set(sock, ZMQ_SNDTIMEO, 100);
    zg_connect(sock, endpoint);
    return sock;
}

/* Does this type get as far as the end of the handshake? */
static bool accepted(void *ctx, int type, const char *endpoint)
{
    char inproc[32];
    void *sock = zg_socket(ctx, type), *monitor = zg_socket(ctx, ZMQ_PAIR);

    sprintf(inproc, "inproc://monitor-%d", type);
    zg_must(zmq_socket_monitor(sock, inproc, ZMQ_EVENT_HANDSHAKE_SUCCEEDED));
    zg_connect(monitor, inproc);
    zg_connect(sock, endpoint);
    zmq_pollitem_t item = { monitor, 0, ZMQ_POLLIN, 0 };
    bool yes = zg_poll(&item, 1, zg_now() + 500) == 1;
    zmq_socket_monitor(sock, NULL, 0);
    zmq_close(sock);
    zmq_close(monitor);
    return yes;
}

static size_t random_size(void)
{
    static const size_t sizes[] = {
        0, 1, 2, 7, 8, 9, 16, 31, 33, 255, 256, 999
    };

    switch (random() % 1000) {
    case 0:
        return 2000000;
    case 1:
        return 1 << 20;
    case 2:
    case 3:
        return 65536;
    default:
        return sizes[random() % (sizeof sizes / sizeof sizes[0])];
    }
}

static void add_frame(zg_msg *msg, size_t limit)
{
    static char bytes[2000000];
    size_t word = (size_t) random() % (sizeof words / sizeof words[0]), size;

    if (random() % 3 > 0) {
        zg_insert(msg, msg->count, words[word].bytes, words[word].size);
        return;
    }
    if ((size = random_size()) > limit)
        size = limit;
    for (size_t i = 0; i < size && i < 999; i++)
        bytes[i] = (char) random();
    zg_insert(msg, msg->count, bytes, size);
}

/* False when the peer does not take it. */
static bool say_nonsense(void *sock, int type)
{
    zg_msg msg = { 0 };
    long frames = type == ZMQ_XSUB   ? 1
                  : random() % 8 > 0 ? 1 + random() % 8
                                     : 1 + random() % ZG_MAX_FRAMES;

    while (frames-- > 0)
        add_frame(&msg, type == ZMQ_XSUB ? 999 : SIZE_MAX);
    if (type == ZMQ_XSUB && zmq_msg_size(&msg.frame[0]) > 0)
        *(char *) zmq_msg_data(&msg.frame[0]) = (char) (random() % 3);
    bool sent = zg_send(&msg, sock, 0);
    zg_clear(&msg);
    while (type != ZMQ_PUSH && type != ZMQ_PUB
           && zg_recv(&msg, sock, ZMQ_DONTWAIT))
        continue;
    zg_clear(&msg);
    return sent;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), sent = 0, refused = 0;
    void *ctx = zg_start();
    size_t t = 0;

    srandom((unsigned) zg_number('s'));
    while (!accepted(ctx, types[t].type, zg_value[0]))
        if (++t == sizeof types / sizeof types[0]) {
            fprintf(stderr, "E: %s accepts nobody\n", zg_value[0]);
            zg_stop(ctx);
            return EXIT_FAILURE;
        }
    void *sock = connect_as(ctx, types[t].type, zg_value[0]);
    for (long n = 0; n < count && refused < 10; n++) {
        if (n % 500 == 499) {
            zmq_close(sock);
            sock = connect_as(ctx, types[t].type, zg_value[0]);
        }
        if (say_nonsense(sock, types[t].type)) {
            sent++;
            refused = 0;
        } else {
            refused++;
        }
    }
    printf("sent %ld messages as %s\n", sent, types[t].name);
    zmq_close(sock);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
