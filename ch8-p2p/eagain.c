/* SPDX-License-Identifier: 0BSD */
/* eagain.c - sends to several peers and drops each peer that is blocked.
 *
 *     DEALER ---message N---> a peer that receives
 *     DEALER ---message N---> a peer that is frozen, or has not started
 *     (this)
 *
 * A DEALER queues the messages that its peer has not received. At the
 * high-water mark (ZMQ_SNDHWM) a send would block, and a node that waits for
 * one peer does not serve the others. With a timeout of zero (ZMQ_SNDTIMEO) the
 * send fails with EAGAIN instead. The node has a socket per peer, so the error
 * tells which peer is blocked. The node closes that socket with all queued
 * messages. The peer has lost messages and must join again: clone.c shows how.
 *
 * Choose the high-water mark as messages per second times the seconds that a
 * peer may be blocked. The kernel's buffers come on top.
 *
 * Each socket has its own context. libzmq looks up names in the I/O thread of a
 * context. So a name server that does not answer stalls all sockets of that
 * context.
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

#include <stdatomic.h>

static const char usage[] =
    "eagain [-n COUNT] [-m N] [-o N] [-z BYTES] [ENDPOINT...]\n"
    "Sends messages to all peers and drops each peer that is blocked.\n"
    "  -n COUNT     messages, 0: until stopped (10)\n"
    "  -m N         messages per second, 0: as fast as possible (100)\n"
    "  -o N         high-water mark, messages per peer, at least 1 (4)\n"
    "  -z BYTES     size of a second frame, at most 1 MB (0)\n"
    "  ENDPOINT...  connect, up to 64 (tcp://localhost:9876)\n"
    "Peers: none needed\n";

enum {
    MAX_PEERS = 64,
    MAX_BODY = 1000000,
    MAX_REPLIES = 100, /* of a peer, between two messages to it */
    LINGER_MS = 500,
};

struct peer {
    const char *endpoint;
    void *ctx, *sock; /* sock is NULL once the peer is dropped */
};

static struct peer peers[MAX_PEERS];
static int peer_count;
static int active_count; /* peers that are not dropped */
static atomic_int open_contexts;

static void add_peer(const char *endpoint)
{
    void *ctx = zmq_ctx_new(), *sock = zg_socket(ctx, ZMQ_DEALER);

    zg_set(sock, ZMQ_SNDHWM, (int) zg_number('o'));
    zg_set(sock, ZMQ_SNDTIMEO, 0);
    zg_set(sock, ZMQ_LINGER, LINGER_MS);
    zg_connect(sock, endpoint);
    peers[peer_count++] = (struct peer){ endpoint, ctx, sock };
    active_count++;
    open_contexts++;
}

/* Wait until the messages have left, and until a lookup has ended: up to 30 s.
 * Runs in its own thread. */
static void *end_context(void *ctx)
{
    zmq_ctx_term(ctx);
    open_contexts--;
    return NULL;
}

/* Close the socket of a peer, without waiting. */
static void close_peer(struct peer *peer)
{
    zmq_close(peer->sock);
    peer->sock = NULL;
    active_count--;
    pthread_detach(zg_thread(end_context, peer->ctx));
}

/* Close the socket with all messages that are queued in it. */
static void drop_peer(struct peer *peer)
{
    fprintf(stderr, "W: peer dropped: %s: %s\n", peer->endpoint,
            zmq_strerror(errno));
    zg_set(peer->sock, ZMQ_LINGER, 0);
    close_peer(peer);
}

/* Receive and drop replies. If a peer had to wait for us to receive, it would
 * seem blocked. */
static void drop_replies(struct peer *peer)
{
    zg_msg reply = { 0 };

    for (int n = 0;
         n < MAX_REPLIES && zg_recv(&reply, peer->sock, ZMQ_DONTWAIT); n++)
        fprintf(stderr, "W: reply dropped: %d frames from %s\n", reply.count,
                peer->endpoint);
    zg_clear(&reply);
}

/* Send [text], or [text][body] if size > 0. If the queue is full, the first
 * send fails with EAGAIN. The second fails only if libzmq has just ended the
 * connection, after a protocol error of the peer. */
static void send_to(struct peer *peer, const char *text, const void *body,
                    size_t size)
{
    int more = size > 0 ? ZMQ_SNDMORE : 0;

    if (zmq_send(peer->sock, text, strlen(text), more) == -1
        || (size > 0 && zmq_send(peer->sock, body, size, 0) == -1))
        drop_peer(peer);
}

/* Send [message N], or [message N][body], to all peers. */
static void send_to_all(long number, const void *body, size_t size)
{
    char text[32];

    printf("message %ld to %d peers\n", number, active_count);
    sprintf(text, "message %ld", number);
    for (int i = 0; i < peer_count; i++)
        if (peers[i].sock != NULL) {
            drop_replies(&peers[i]);
            send_to(&peers[i], text, body, size);
        }
}

/* Close all sockets. Give queued messages time to leave, unless a signal ends
 * the program. A context that still looks up a name is left to exit(). */
static void close_peers(void *unused)
{
    int64_t deadline = zg_now() + LINGER_MS;

    for (int i = 0; i < peer_count; i++)
        if (peers[i].sock != NULL)
            close_peer(&peers[i]);
    while (open_contexts > 0 && zg_now() < deadline && zg_sleep(unused, 10))
        continue;
}

int main(int argc, char *argv[])
{
    static char body[MAX_BODY];
    char **endpoint = zg_args(argc, argv, usage);
    long messages = zg_number('n'), rate = zg_number('m');
    long size = zg_number('z'), number = 0;
    int64_t due, start = zg_now();
    int count = 0;

    while (endpoint[count] != NULL)
        count++;
    if (zg_number('o') == 0 || size > MAX_BODY || count > MAX_PEERS)
        zg_usage_error();
    /* zg_sleep() needs a socket to notice Ctrl-C. */
    void *ctx = zg_start(), *unused = zg_socket(ctx, ZMQ_PAIR);
    if (count == 0)
        add_peer(zg_value[0]);
    for (int i = 0; i < count; i++)
        add_peer(endpoint[i]);
    do {
        send_to_all(number++, body, (size_t) size);
        due = start + (rate > 0 ? number * (int64_t) 1000 / rate : 0);
    } while (active_count > 0 && number != messages
             && zg_sleep(unused, (long) (due - zg_now())));
    close_peers(unused);
    zmq_close(unused);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
