/* SPDX-License-Identifier: 0BSD */
/* zhostile.c - sends malformed messages to whatever is bound to an endpoint.
 *
 *     zhostile [-f] [-n COUNT] [-s SEED] ENDPOINT
 *
 * It finds a socket type that the endpoint accepts. Then it sends messages of 1
 * to 24 frames: random bytes, words of the protocols in the wrong place,
 * invalid numbers, frames of up to 2 MB. Every 500 messages it takes a new
 * routing id. With -f it sends every number of frames from 1 to 30, for several
 * contents.
 */
#include "accepted.h"

static const char usage[] =
    "zhostile [-f] [-n COUNT] [-s SEED] ENDPOINT\n"
    "Sends malformed messages to an endpoint.\n"
    "  -f        every number of frames from 1 to 30, instead of COUNT\n"
    "  -n COUNT  messages (5000)\n"
    "  -s SEED   for their content (1)\n"
    "  ENDPOINT  where a program has bound\n";

enum { MOST_FRAMES = 30 };

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

/* Append a word, or random bytes of at most this size. */
static void append_frame(zg_msg *msg, size_t limit)
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

/* Drop all replies. */
static void read_all(void *sock, int type)
{
    zg_msg msg = { 0 };

    while (type != ZMQ_PUSH && zg_recv(&msg, sock, ZMQ_DONTWAIT))
        continue;
    zg_clear(&msg);
}

/* Send a random message; false if the peer does not read. */
static bool send_random(void *sock, int type)
{
    zg_msg msg = { 0 };
    long frames = type == ZMQ_XSUB   ? 1
                  : random() % 8 > 0 ? 1 + random() % 8
                                     : 1 + random() % ZG_MAX_FRAMES;

    while (frames-- > 0)
        append_frame(&msg, type == ZMQ_XSUB ? 999 : SIZE_MAX);
    if (type == ZMQ_XSUB && zmq_msg_size(&msg.frame[0]) > 0)
        *(char *) zmq_msg_data(&msg.frame[0]) = (char) (random() % 3);
    bool sent = zg_send(&msg, sock, 0);
    zg_clear(&msg);
    return sent;
}

/* Send one message of each number of frames: the first frame, then the rest. */
static long send_counts(void *sock, int type, const char *first,
                        const char *rest)
{
    long sent = 0;

    for (int frames = 1; frames <= MOST_FRAMES; frames++) {
        bool ok = true;
        for (int i = 0; i < frames && ok; i++) {
            const char *text = i == 0 ? first : rest;
            ok = zmq_send(sock, text, strlen(text),
                          i < frames - 1 ? ZMQ_SNDMORE : 0)
                 != -1;
        }
        sent += ok;
        read_all(sock, type);
    }
    return sent;
}

static long send_all_counts(void *sock, int type)
{
    static const char control[] = "\033[7m\a\177\n\001";

    return send_counts(sock, type, "x", "x") + send_counts(sock, type, "", "x")
           + send_counts(sock, type, "", "")
           + send_counts(sock, type, control, control)
           + send_counts(sock, type, "", control)
           + send_counts(sock, type, "\001", "\001");
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), sent = 0, refused = 0;
    void *ctx = zg_start();

    srandom((unsigned) zg_number('s'));
    size_t t = accepted_type(ctx, zg_value[0]);
    void *sock = connect_as(ctx, types[t].type, zg_value[0]);
    if (zg_value['f'] != NULL) {
        sent = send_all_counts(sock, types[t].type);
        count = 0;
    }
    for (long n = 0; n < count && refused < 10; n++) {
        if (n % 500 == 499) {
            zmq_close(sock);
            sock = connect_as(ctx, types[t].type, zg_value[0]);
        }
        if (send_random(sock, types[t].type)) {
            sent++;
            refused = 0;
        } else {
            refused++;
        }
        read_all(sock, types[t].type);
    }
    printf("sent %ld messages as %s\n", sent, types[t].name);
    zmq_close(sock);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
