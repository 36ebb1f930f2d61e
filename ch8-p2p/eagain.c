/* SPDX-License-Identifier: 0BSD */
/* eagain.c - sends to peers and waits for none: a blocked one is dropped.
 *
 *     DEALER ---message N---> a peer that takes what it gets
 *     DEALER ---message N---> one that hangs, or is not there
 *     (this)
 *
 * What a peer does not take waits, at the high-water mark in a queue of ours. A
 * node that waits for one peer is lost to the others. So a send has no time to
 * wait (ZMQ_SNDTIMEO 0), fails with EAGAIN instead, and that tells which peer
 * is blocked. We close its socket, with all that waits in it: who comes back
 * has to begin anew, which is better than a gap of which nobody knows.
 *
 * The mark is a time: messages a second, times the seconds that one may hang.
 * Here it is four. What the kernel takes for a peer that hangs comes on top.
 *
 * Build: cc -Icommon ch8-p2p/eagain.c -o eagain -lzmq -lpthread
 *
 * Try it:
 *     $ bin/eagain
 *     Sending message 3
 *     Sending message 4
 *     tcp://localhost:9876: EAGAIN, Resource temporarily unavailable: dropped
 *
 * Guide: chapter 8, "Dealing with Blocked Peers".
 */
#include "zg.h"

static const char usage[] =
    "eagain [-n COUNT] [-m N] [-o N] [-z BYTES] [ENDPOINT...]\n"
    "Sends messages to all peers, and drops each one that is blocked.\n"
    "  -n COUNT     messages, 0: until stopped (10)\n"
    "  -m N         messages per second, 0: as fast as it can (100)\n"
    "  -o N         messages that may wait for a peer (4)\n"
    "  -z BYTES     fill messages up to this size (0)\n"
    "  ENDPOINT...  connect to peers (tcp://localhost:9876)\n"
    "Peers: none\n";

enum { MAX_PEERS = 100 };

struct peer {
    const char *endpoint;
    void *sock; /* NULL: it was dropped */
};

static struct peer peers[MAX_PEERS];
static int count, left;

static void add_peer(void *ctx, const char *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_DEALER);

    zg_set(sock, ZMQ_SNDHWM, (int) zg_number('o'));
    zg_set(sock, ZMQ_SNDTIMEO, 0);
    zg_must(zmq_connect(sock, endpoint));
    peers[count++] = (struct peer){ endpoint, sock };
    left = count;
}

static void drop(struct peer *peer, int linger)
{
    if (peer->sock == NULL)
        return;
    zg_set(peer->sock, ZMQ_LINGER, linger);
    zmq_close(peer->sock);
    peer->sock = NULL;
    left--;
}

/* A message goes out as a whole or not at all, of several frames too. */
static void send_to(struct peer *peer, const void *data, size_t size)
{
    if (peer->sock == NULL || zmq_send(peer->sock, data, size, 0) != -1
        || errno != EAGAIN)
        return;
    printf("%s: EAGAIN, %s: dropped\n", peer->endpoint, zmq_strerror(errno));
    drop(peer, 0);
}

static void send_to_all(long number, char *data, size_t size)
{
    int length = sprintf(data, "message %ld", number);

    printf("Sending message %ld\n", number);
    for (int i = 0; i < count; i++)
        send_to(&peers[i], data,
                size > (size_t) length ? size : (size_t) length);
}

int main(int argc, char *argv[])
{
    char **endpoint = zg_args(argc, argv, usage);
    long messages = zg_number('n'), rate = zg_number('m'), number = 0;
    size_t size = (size_t) zg_number('z');
    char *data = calloc(1, size + 32);

    if (zg_number('o') == 0 || data == NULL || argc > MAX_PEERS)
        zg_misused();
    void *ctx = zg_start(), *timer = zg_socket(ctx, ZMQ_PAIR);
    if (*endpoint == NULL)
        add_peer(ctx, zg_value[0]);
    for (; *endpoint != NULL; endpoint++)
        add_peer(ctx, *endpoint);
    do
        send_to_all(number++, data, size);
    while (left > 0 && number != messages
           && zg_sleep(timer, rate > 0 ? 1000 / rate : 0));
    for (int i = 0; i < count; i++)
        drop(&peers[i], 500);
    free(data);
    zmq_close(timer);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
