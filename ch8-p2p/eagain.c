/* SPDX-License-Identifier: 0BSD */
/* eagain.c - sends to several peers and drops each peer that is blocked.
 *
 *     DEALER ---message N---> a peer that receives
 *     DEALER ---message N---> a peer that is frozen, or has not started
 *     (this)
 *
 * A DEALER queues the messages that its peer has not received. At the
 * high-water mark (ZMQ_SNDHWM) a send would block, and a node that waits for
 * one peer does not serve the others. So the send has no time to wait
 * (ZMQ_SNDTIMEO 0) and fails with EAGAIN instead. The node has one socket per
 * peer, so the error tells which peer is blocked. It closes that socket with
 * all queued messages.
 *
 * The high-water mark stands for a time: messages per second times the seconds
 * that a peer may be blocked. The kernel's buffers come on top. A dropped peer
 * has lost messages and must join again: clone.c shows how.
 *
 * Build: cc -Icommon ch8-p2p/eagain.c -o eagain -lzmq -lpthread
 *
 * Try it:
 *     $ bin/eagain
 *     message 3 to 1 peers
 *     message 4 to 1 peers
 *     W: peer dropped: tcp://localhost:9876: Resource temporarily unavailable
 *
 * Guide: chapter 8, "Dealing with Blocked Peers".
 */
#include "zg.h"

static const char usage[] =
    "eagain [-n COUNT] [-m N] [-o N] [-z BYTES] [ENDPOINT...]\n"
    "Sends messages to all peers and drops each peer that is blocked.\n"
    "  -n COUNT     messages, 0: until stopped (10)\n"
    "  -m N         messages per second, 0: as fast as possible (100)\n"
    "  -o N         high-water mark, messages per peer (4)\n"
    "  -z BYTES     size of a second frame (0)\n"
    "  ENDPOINT...  connect, up to 100 (tcp://localhost:9876)\n"
    "Peers: none needed\n";

enum { MAX_PEERS = 100 };

struct peer {
    const char *endpoint;
    void *sock; /* NULL if it was dropped */
};

static struct peer peers[MAX_PEERS];
static int peer_count, left; /* all peers, and those not dropped */

static void add_peer(void *ctx, const char *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_DEALER);

    zg_set(sock, ZMQ_SNDHWM, (int) zg_number('o'));
    zg_set(sock, ZMQ_SNDTIMEO, 0);
    zg_connect(sock, endpoint);
    peers[peer_count++] = (struct peer){ endpoint, sock };
    left++;
}

/* Close the socket with all messages that are queued in it. */
static void drop_peer(struct peer *peer)
{
    zg_set(peer->sock, ZMQ_LINGER, 0);
    zmq_close(peer->sock);
    peer->sock = NULL;
    left--;
}

/* Send a message. If its first frame is accepted, the others are, too. */
static void send_to(struct peer *peer, zg_msg *msg)
{
    if (zg_send(msg, peer->sock, 0) || errno != EAGAIN)
        return;
    fprintf(stderr, "W: peer dropped: %s: %s\n", peer->endpoint,
            zmq_strerror(errno));
    drop_peer(peer);
}

/* Send [message N] or [message N][body] to all peers. */
static void send_to_all(long number, const void *body, size_t size)
{
    char text[32];
    zg_msg msg = { 0 };

    printf("message %ld to %d peers\n", number, left);
    sprintf(text, "message %ld", number);
    for (int i = 0; i < peer_count; i++)
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
    for (int i = 0; i < peer_count; i++)
        if (peers[i].sock != NULL)
            zmq_close(peers[i].sock);
    free(body);
    zmq_close(timer);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
