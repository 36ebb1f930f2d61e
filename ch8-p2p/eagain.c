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
    "  -z BYTES     a second frame of that size (0)\n"
    "  ENDPOINT...  connect to peers (tcp://localhost:9876)\n"
    "Peers: none\n";

enum { MAX_PEERS = 100 };

struct peer {
    const char *endpoint;
    void *sock; /* NULL: it was dropped */
};

static struct peer peers[MAX_PEERS];
static int count, left; /* how many there were, and are */

static void add_peer(void *ctx, const char *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_DEALER);

    zg_set(sock, ZMQ_SNDHWM, (int) zg_number('o'));
    zg_set(sock, ZMQ_SNDTIMEO, 0);
    zg_connect(sock, endpoint);
    peers[count++] = (struct peer){ endpoint, sock };
    left++;
}

/* Nothing more is sent to it, and nothing waits any more. */
static void drop(struct peer *peer)
{
    zg_set(peer->sock, ZMQ_LINGER, 0);
    zmq_close(peer->sock);
    peer->sock = NULL;
    left--;
}

/* Where there is room for the first frame, all of a message is taken. */
static void send_to(struct peer *peer, zg_msg *msg)
{
    if (zg_send(msg, peer->sock, 0) || errno != EAGAIN)
        return;
    printf("%s: EAGAIN, %s: dropped\n", peer->endpoint, zmq_strerror(errno));
    drop(peer);
}

/* [message N], and behind it [BODY] if there is one */
static void send_to_all(long number, const void *body, size_t size)
{
    char text[32];
    zg_msg msg = { 0 };

    printf("Sending message %ld\n", number);
    sprintf(text, "message %ld", number);
    for (int i = 0; i < count; i++)
        if (peers[i].sock != NULL) {
            zg_insert(&msg, 0, text, strlen(text));
            if (size > 0)
                zg_insert(&msg, 1, body, size);
            send_to(&peers[i], &msg);
            zg_clear(&msg);
        }
}

int main(int argc, char *argv[])
{
    char **endpoint = zg_args(argc, argv, usage);
    long messages = zg_number('n'), rate = zg_number('m'), number = 0;
    size_t size = (size_t) zg_number('z');
    void *body = calloc(1, size + 1);

    if (zg_number('o') == 0 || body == NULL || argc > MAX_PEERS)
        zg_usage_error();
    void *ctx = zg_start(), *timer = zg_socket(ctx, ZMQ_PAIR);
    if (*endpoint == NULL)
        add_peer(ctx, zg_value[0]);
    for (; *endpoint != NULL; endpoint++)
        add_peer(ctx, *endpoint);
    do
        send_to_all(number++, body, size);
    while (left > 0 && number != messages
           && zg_sleep(timer, rate > 0 ? 1000 / rate : 0));
    for (int i = 0; i < count; i++)
        if (peers[i].sock != NULL)
            zmq_close(peers[i].sock);
    free(body);
    zmq_close(timer);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
