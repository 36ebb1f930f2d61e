/* SPDX-License-Identifier: 0BSD */
/* dechat.c - a chat of all in one network, without a server.
 *
 *     PUB dechat (this) 9000 ---"joe: hello"---> SUB dechat
 *     SUB               9000 <---"ann: hi"------ PUB dechat
 *       |---- connects to each of 254 addresses, there or not
 *
 * Nobody says where the others are: we connect to all addresses that there
 * are. libzmq tries for ever, so who starts, or starts again, is found: the
 * network heals itself. That is wasteful and honest, and it takes no more than
 * a loop. We hear ourselves as well, being one of the 254.
 *
 * Build: cc -Icommon ch8-p2p/dechat.c -o dechat -lzmq -lpthread
 *
 * Try it:
 *     $ sleep 9 | bin/dechat 127.0.0.1 127.0.0.2 ann &
 *     $ { sleep 2; echo hello; sleep 9; } | bin/dechat 127.0.0.1 127.0.0.3 joe
 *     joe: hello
 *     joe: hello
 *
 * Guide: chapter 8, "A Self-Healing P2P Network in 30 Seconds".
 */
#include "zg.h"

#include <arpa/inet.h>

static const char usage[] =
    "dechat [ADDRESS [INTERFACE [NAME]]]\n"
    "A chat with all hosts of a network; it ends at the end of its input.\n"
    "  ADDRESS    one of this network, such as 192.168.55.1 (127.0.0.1)\n"
    "  INTERFACE  ours in it, by name or address, such as eth0 (127.0.0.1)\n"
    "  NAME       ours (nobody)\n"
    "Peers: dechat ADDRESS INTERFACE NAME\n";

enum {
    PORT = 9000,
    FIRST = 1, /* of the addresses of a network, as far as we look */
    LAST = 254,
    RETRY_MAX_MS = 1000, /* most addresses are nobody's: do not ask too often */
    SILENCE_MS = 2000,   /* then a connection is dead, and is made again */
    MAX_LINE = 65536,
};

static void connect_to_all(void *listener, const char *address)
{
    int network = (int) (strrchr(address, '.') - address);
    char endpoint[64];

    zg_set(listener, ZMQ_LINGER, 0); /* most never get our subscription */
    zg_set(listener, ZMQ_RECONNECT_IVL_MAX, RETRY_MAX_MS);
    zg_set(listener, ZMQ_CONNECT_TIMEOUT, SILENCE_MS);
    zg_set(listener, ZMQ_HEARTBEAT_IVL, SILENCE_MS / 2);
    zg_set(listener, ZMQ_HEARTBEAT_TIMEOUT, SILENCE_MS);
    zg_must(zmq_setsockopt(listener, ZMQ_SUBSCRIBE, "", 0));
    for (int host = FIRST; host <= LAST; host++) {
        snprintf(endpoint, sizeof endpoint, "tcp://%.*s.%d:%d", network,
                 address, host, PORT);
        zg_connect(listener, endpoint);
    }
}

/* A terminal obeys what it is sent: let a line be no more than a line. UTF-8
 * passes, but for the second set of control characters, which it has, too. */
static void show(zg_msg *msg)
{
    const unsigned char *byte = zmq_msg_data(&msg->frame[0]);
    size_t size = zmq_msg_size(&msg->frame[0]);
    unsigned before = 0;

    if (size > 0 && byte[size - 1] == '\n')
        size--;
    for (; size > 0; before = *byte++, size--) {
        bool second =
            *byte >= 0x80 && *byte < 0xa0 && (before == 0xc2 || before < 0x80);
        putchar(*byte < ' ' || *byte == 0x7f || second ? '?' : *byte);
    }
    putchar('\n');
}

/* [name: line] */
static void say(void *speaker, const char *line, int length)
{
    static char text[MAX_LINE + 256];
    int size = snprintf(text, sizeof text, "%.200s: ", zg_value[2]);

    memcpy(text + size, line, (size_t) length);
    text[size + length] = '\n';
    zmq_send(speaker, text, (size_t) (size + length + 1), 0);
}

/* What has been typed, line by line; false at the end of input. */
static bool hear_user(void *speaker)
{
    static char text[MAX_LINE];
    static int length;
    ssize_t size = read(STDIN_FILENO, text + length, sizeof text - length);
    char *line = text, *end;

    if (size <= 0) {
        if (length > 0)
            say(speaker, text, length);
        return false;
    }
    length += (int) size;
    for (; (end = memchr(line, '\n', (size_t) length)) != NULL;
         line = end + 1) {
        say(speaker, line, (int) (end - line));
        length -= (int) (end + 1 - line);
    }
    memmove(text, line, (size_t) length);
    if (length == MAX_LINE) { /* in pieces, then */
        say(speaker, text, length);
        length = 0;
    }
    return true;
}

int main(int argc, char *argv[])
{
    struct in_addr valid;
    char endpoint[256];

    zg_args(argc, argv, usage);
    if (inet_pton(AF_INET, zg_value[0], &valid) != 1)
        zg_usage_error();
    void *ctx = zg_start();
    void *speaker = zg_socket(ctx, ZMQ_PUB),
         *listener = zg_socket(ctx, ZMQ_SUB);
    zmq_pollitem_t items[] = { { listener, 0, ZMQ_POLLIN, 0 },
                               { NULL, STDIN_FILENO, ZMQ_POLLIN, 0 } };
    zg_msg msg = { 0 };

    snprintf(endpoint, sizeof endpoint, "tcp://%s:%d", zg_value[1], PORT);
    zg_bind(speaker, zg_value[2], endpoint);
    connect_to_all(listener, zg_value[0]);
    while (zg_poll(items, 2, ZG_FOREVER) != -1) {
        for (int n = 0; n < 100 && zg_recv(&msg, listener, ZMQ_DONTWAIT); n++)
            if (msg.count == 1)
                show(&msg);
            else
                zg_drop(&msg, "a peer");
        if (items[1].revents != 0 && !hear_user(speaker))
            break;
    }
    zg_clear(&msg);
    zmq_close(speaker);
    zmq_close(listener);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
