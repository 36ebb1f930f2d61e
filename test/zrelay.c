/* SPDX-License-Identifier: 0BSD */
/* zrelay.c - passes messages between a program and its peer, and spoils some.
 *
 *     zrelay [-r] [-n COUNT] [-i ID] BIND CONNECT
 *
 *      peer that connects ---> BIND (this) CONNECT ---> peer that binds
 *
 * Without -r, spoiled copies go to the peer that connects: all kinds before the
 * first good message, then one before each of the next COUNT messages. With -r,
 * every second message to the peer that binds is replaced by a spoiled one.
 *
 * The kinds are: 1 to 30 frames, which is the good message cut off or with more
 * frames behind it; control characters at the end of the last frame or of all
 * frames; and, without -r, a last, first or each frame of over 1 MiB. The first
 * kind is a random one.
 */
#include "accepted.h"

static const char usage[] =
    "zrelay [-r] [-n COUNT] [-i ID] BIND CONNECT\n"
    "Passes messages between two peers, and spoils some of them.\n"
    "  -r        replace every second message to the peer at CONNECT\n"
    "  -n COUNT  messages to spoil, after the first with all kinds (34)\n"
    "  -i ID     routing id of a ROUTER, else BIND\n"
    "  BIND      for the peers that connect\n"
    "  CONNECT   where a peer has bound\n";

enum {
    FRAMES = 30,      /* kinds 1 to 30: this number of frames */
    CONTROL_LAST,     /* control characters in the last frame */
    CONTROL_ALL,      /* in each frame */
    OVERSIZED_LAST,   /* the last frame is larger than 1 MiB */
    OVERSIZED_FIRST,  /* the first frame */
    OVERSIZED_ALL,    /* each frame */
    MAX_PEERS = 1000, /* enough for titanic's workers and lpclient's retries */
    OVERSIZE = (1 << 20) + 1
};

static const char control[] = "\033[7m\a\177\n\001";

/* One peer that has connected, and our own connection on its behalf. */
struct peer {
    zmq_msg_t id;
    void *far;
};

static void *ctx, *near; /* near is bound to BIND */
static int near_type;
static size_t far_type; /* a position in types[] */
static struct peer peers[MAX_PEERS];
static int peer_count;
static long start; /* the first kind */

/* Append size bytes to a frame: control characters, or x where it is large. */
static void enlarge(zmq_msg_t *frame, size_t size)
{
    zmq_msg_t larger;
    size_t old = zmq_msg_size(frame);
    char *bytes;

    zg_must(zmq_msg_init_size(&larger, old + size));
    bytes = zmq_msg_data(&larger);
    memcpy(bytes, zmq_msg_data(frame), old);
    memset(bytes + old, 'x', size);
    if (size == sizeof control - 1)
        memcpy(bytes + old, control, size);
    zmq_msg_move(frame, &larger);
}

/* Send n frames, of a good message or beyond it, spoiled as the kind says. */
static void send_spoiled(void *sock, zg_msg *good, int kind)
{
    int last = (kind <= FRAMES ? kind : good->count) - 1;

    for (int i = 0; i <= last; i++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (i < good->count)
            zmq_msg_copy(&frame, &good->frame[i]);
        if (i >= good->count || kind == CONTROL_ALL
            || (kind == CONTROL_LAST && i == last))
            enlarge(&frame, sizeof control - 1);
        else if (kind == OVERSIZED_ALL || (kind == OVERSIZED_FIRST && i == 0)
                 || (kind == OVERSIZED_LAST && i == last))
            enlarge(&frame, OVERSIZE);
        if (zmq_msg_send(&frame, sock, i < last ? ZMQ_SNDMORE : 0) == -1) {
            zmq_msg_close(&frame);
            return;
        }
    }
}

/* Return the peer with this id, which is new unless it is found, or NULL. */
static struct peer *find_or_create_peer(zmq_msg_t *id)
{
    struct peer *peer = peers;

    for (; peer < peers + peer_count; peer++)
        if (id == NULL || zg_equal(&peer->id, id))
            return peer;
    if (peer_count == MAX_PEERS)
        return NULL;
    peer_count++;
    zmq_msg_init(&peer->id);
    if (id != NULL)
        zmq_msg_copy(&peer->id, id);
    peer->far = zg_socket(ctx, types[far_type].type);
    zg_set(peer->far, ZMQ_SNDTIMEO, 1000);
    zg_connect(peer->far, zg_value[1]);
    return peer;
}

/* Send the id of a peer ahead of a message to it. */
static void send_id(struct peer *peer)
{
    zmq_msg_t id;

    if (near_type != ZMQ_ROUTER)
        return;
    zmq_msg_init(&id);
    zmq_msg_copy(&id, &peer->id);
    if (zmq_msg_send(&id, near, ZMQ_SNDMORE) == -1)
        zmq_msg_close(&id);
}

static void pass_up(long count)
{
    static long passed, kind = 1;
    bool replace = zg_value['r'] != NULL;
    zg_msg msg = { 0 };

    while (zg_recv(&msg, near, ZMQ_DONTWAIT)) {
        struct peer *peer =
            find_or_create_peer(near_type == ZMQ_ROUTER ? msg.frame : NULL);
        if (near_type == ZMQ_ROUTER)
            zg_pop(&msg, 1);
        if (peer == NULL)
            continue;
        if (replace && ++passed % 2 == 0 && kind <= count) {
            send_spoiled(peer->far, &msg,
                         (int) ((kind + start) % CONTROL_ALL) + 1);
            if (kind++ == count)
                puts("I: all sent");
        } else {
            zg_send(&msg, peer->far, 0);
        }
    }
    zg_clear(&msg);
}

static void pass_down(struct peer *peer, long count)
{
    static long passed;
    zg_msg msg = { 0 };

    while (zg_recv(&msg, peer->far, ZMQ_DONTWAIT)) {
        int first =
            passed == 0 ? 1 : (int) ((passed + start) % OVERSIZED_ALL) + 1;
        int last = passed == 0 ? OVERSIZED_ALL : first;
        if (zg_value['r'] == NULL && passed++ <= count)
            for (int kind = first; kind <= last; kind++)
                if (kind != msg.count) {
                    send_id(peer);
                    send_spoiled(near, &msg, kind);
                }
        send_id(peer);
        zg_send(&msg, near, 0);
        if (zg_value['r'] == NULL && passed == count + 1)
            puts("I: all sent");
    }
    zg_clear(&msg);
}

/* Return the type that talks to the type which talks to the far peer. */
static int opposite(int type)
{
    return type == ZMQ_DEALER ? ZMQ_ROUTER
           : type == ZMQ_PUSH ? ZMQ_PULL
           : type == ZMQ_XSUB ? ZMQ_XPUB
           : type == ZMQ_XPUB ? ZMQ_XSUB
                              : ZMQ_PAIR;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n');
    zmq_pollitem_t items[1 + MAX_PEERS];

    ctx = zg_start();
    start = random() % OVERSIZED_ALL;
    far_type = accepted_type(ctx, zg_value[1]);
    near_type = opposite(types[far_type].type);
    near = zg_socket(ctx, near_type);
    zg_must(zmq_setsockopt(near, ZMQ_MAXMSGSIZE, &(int64_t){ -1 }, 8));
    zg_set(near, ZMQ_SNDTIMEO, 1000);
    if (zg_value['i'] == NULL)
        zg_value['i'] = zg_value[0]; /* as a server of Freelance calls itself */
    if (near_type == ZMQ_ROUTER)
        zg_must(zmq_setsockopt(near, ZMQ_ROUTING_ID, zg_value['i'],
                               strlen(zg_value['i'])));
    if (near_type != ZMQ_ROUTER)
        find_or_create_peer(NULL);
    zg_bind(near, "relay", zg_value[0]);
    if (near_type == ZMQ_XPUB && zg_value['r'] != NULL)
        puts("I: all sent"); /* a subscriber sends little */
    for (;;) {
        items[0] = (zmq_pollitem_t){ near, 0, ZMQ_POLLIN, 0 };
        for (int i = 0; i < peer_count; i++)
            items[1 + i] = (zmq_pollitem_t){ peers[i].far, 0, ZMQ_POLLIN, 0 };
        if (zg_poll(items, 1 + peer_count, ZG_FOREVER) == -1)
            break;
        int known = peer_count;
        if (items[0].revents)
            pass_up(count);
        for (int i = 0; i < known; i++)
            if (items[1 + i].revents)
                pass_down(&peers[i], count);
    }
    for (int i = 0; i < peer_count; i++) {
        zmq_msg_close(&peers[i].id);
        zmq_close(peers[i].far);
    }
    zmq_close(near);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
