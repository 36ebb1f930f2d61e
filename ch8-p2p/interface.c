/* SPDX-License-Identifier: 0BSD */
/* interface.c - detects peers by their beacons: a UUID, once a second.
 *
 *     application PAIR <--- PAIR agent UDP 9999 <---> other nodes
 *        [JOINED][UUID]       (this)      UUID         once a second
 *        [LEFT][UUID]                     UUID, 0      when a node ends
 *
 * A peer joins with the first beacon of its UUID. It leaves when it announces
 * its end, or when no beacon has arrived for five seconds. A peer may have
 * several addresses and may change them, and several peers may share one
 * address: only the UUID identifies a peer. By its own UUID a node recognises
 * its own beacons.
 *
 * The agent never waits for the application, so a slow application does not
 * make its node expire at others. For each peer the agent knows its state and
 * the state last reported. While they differ and the queue to the application
 * is full, the agent tries again later.
 *
 * Beacons carry no signature, so any host can forge them.
 *
 * Guide: chapter 8, "Designing the API".
 */
#include "interface.h"
#include "udplib.h"

#include <sys/queue.h>
#include <sys/random.h>

enum {
    PORT = 9999,
    UUID_SIZE = 16,
    BEACON_MS = 1000,
    EXPIRY_MS = 5000,
    CHECK_MS = 250,   /* between two checks of all peers */
    MAX_PEERS = 1024, /* the beacons of further ones are dropped */
    BATCH = 1000,     /* datagrams in a row: a flood delays no beacon */
};

struct peer {
    LIST_ENTRY(peer) next;
    unsigned char uuid[UUID_SIZE];
    int64_t expiry;
    bool is_present;
    bool is_reported; /* the application knows it as present */
};

struct interface {
    void *pipe; /* the application's end */
    pthread_t thread;
    void *events; /* the agent's end */
    udplib *udp;
    unsigned char beacon[UUID_SIZE + 1]; /* with its zero byte: a farewell */
    char uuid[2 * UUID_SIZE + 1];
    LIST_HEAD(, peer) peers;
    int peer_count;
    int malformed_count, refused_count; /* datagrams since the last log line */
};

static void format_uuid(const unsigned char *uuid, char text[2 * UUID_SIZE + 1])
{
    for (int i = 0; i < UUID_SIZE; i++)
        sprintf(text + 2 * i, "%02X", uuid[i]);
}

static struct peer *find_peer(interface *self, const unsigned char *uuid)
{
    struct peer *peer;

    LIST_FOREACH(peer, &self->peers, next)
        if (memcmp(peer->uuid, uuid, UUID_SIZE) == 0)
            break;
    return peer;
}

/* Return the new peer, or NULL if there are too many. */
static struct peer *add_peer(interface *self, const unsigned char *uuid)
{
    struct peer *peer;

    if (self->peer_count == MAX_PEERS) {
        self->refused_count++;
        return NULL;
    }
    if ((peer = calloc(1, sizeof *peer)) == NULL)
        zg_die("calloc");
    memcpy(peer->uuid, uuid, UUID_SIZE);
    LIST_INSERT_HEAD(&self->peers, peer, next);
    self->peer_count++;
    return peer;
}

static void remove_peer(interface *self, struct peer *peer)
{
    LIST_REMOVE(peer, next);
    free(peer);
    self->peer_count--;
}

/* Send [JOINED][UUID] or [LEFT][UUID] if the application does not know the
 * state of the peer. If its queue is full, the next check tries again. Remove
 * the peer once it is absent and the application knows that. */
static void report(interface *self, struct peer *peer)
{
    const char *event = peer->is_present ? "JOINED" : "LEFT";
    char text[2 * UUID_SIZE + 1];
    zg_msg msg = { 0 };

    if (peer->is_reported != peer->is_present) {
        format_uuid(peer->uuid, text);
        zg_insert(&msg, 0, event, strlen(event));
        zg_insert(&msg, 1, text, 2 * UUID_SIZE);
        if (zg_send(&msg, self->events, ZMQ_DONTWAIT))
            peer->is_reported = peer->is_present;
        zg_clear(&msg);
    }
    if (!peer->is_present && !peer->is_reported)
        remove_peer(self, peer);
}

/* Receive a beacon, UUID, or a farewell, UUID and 0. Return false if none
 * has arrived. */
static bool receive_datagram(interface *self)
{
    unsigned char data[UUID_SIZE + 2];
    char from[UDPLIB_FROM];
    ssize_t size = udplib_recv(self->udp, data, sizeof data, from);
    bool is_farewell = size == UUID_SIZE + 1 && data[UUID_SIZE] == 0;

    if (size == -1)
        return false;
    if (size != UUID_SIZE && !is_farewell) {
        self->malformed_count++;
    } else if (memcmp(data, self->beacon, UUID_SIZE) != 0) { /* not our own */
        struct peer *peer = find_peer(self, data);
        if (peer == NULL && !is_farewell)
            peer = add_peer(self, data);
        if (peer != NULL) {
            peer->is_present = !is_farewell;
            peer->expiry = zg_now() + EXPIRY_MS;
            report(self, peer);
        }
    }
    return true;
}

/* Expire silent peers, and report each state that is not yet reported. If the
 * check is late, this process was not running and has read no beacons: extend
 * each expiry by the delay, to at most EXPIRY_MS from now. */
static void check_peers(interface *self, int64_t late)
{
    int64_t latest = zg_now() + EXPIRY_MS;
    struct peer *next;

    for (struct peer *peer = LIST_FIRST(&self->peers); peer; peer = next) {
        next = LIST_NEXT(peer, next);
        peer->expiry += late;
        if (peer->expiry > latest)
            peer->expiry = latest;
        if (peer->expiry <= zg_now())
            peer->is_present = false;
        report(self, peer);
    }
}

/* Log how many datagrams were dropped. With a line for each, a stranger could
 * fill the log. */
static void log_drops(interface *self)
{
    if (self->malformed_count > 0)
        fprintf(stderr, "W: dropped %d malformed beacons\n",
                self->malformed_count);
    if (self->refused_count > 0)
        fprintf(stderr, "W: dropped %d beacons of new peers: there are %d\n",
                self->refused_count, MAX_PEERS);
    self->malformed_count = self->refused_count = 0;
}

static void *agent(void *arg)
{
    interface *self = arg;
    zmq_pollitem_t items[] = {
        { self->events, 0, ZMQ_POLLIN, 0 },
        { NULL, udplib_handle(self->udp), ZMQ_POLLIN, 0 },
    };
    int64_t check_at = zg_now(), beacon_at = check_at;

    while (zg_poll(items, 2, check_at) != -1 && items[0].revents == 0) {
        for (int n = 0; n < BATCH && receive_datagram(self); n++)
            continue;
        if (zg_now() >= beacon_at) {
            udplib_send(self->udp, self->beacon, UUID_SIZE);
            log_drops(self);
            beacon_at = zg_now() + BEACON_MS;
        }
        if (zg_now() >= check_at) {
            check_peers(self, zg_now() - check_at);
            check_at = zg_now() + CHECK_MS;
        }
    }
    udplib_send(self->udp, self->beacon, UUID_SIZE + 1);
    while (!LIST_EMPTY(&self->peers))
        remove_peer(self, LIST_FIRST(&self->peers));
    return NULL;
}

/* Fill the UUID with random bytes. rand() is seeded from time and process id,
 * which two hosts can share. */
static void draw_uuid(interface *self)
{
    zg_must(getentropy(self->beacon, UUID_SIZE));
    format_uuid(self->beacon, self->uuid);
}

interface *interface_new(void *ctx, const char *broadcast)
{
    interface *self = calloc(1, sizeof *self);
    char inproc[64];

    if (self == NULL)
        zg_die("calloc");
    draw_uuid(self);
    LIST_INIT(&self->peers);
    self->udp = udplib_new(broadcast, PORT);
    snprintf(inproc, sizeof inproc, "inproc://interface-%p", (void *) self);
    self->pipe = zg_socket(ctx, ZMQ_PAIR);
    self->events = zg_socket(ctx, ZMQ_PAIR);
    zg_must(zmq_bind(self->events, inproc));
    zg_connect(self->pipe, inproc);
    self->thread = zg_thread(agent, self);
    return self;
}

void interface_destroy(interface **self)
{
    /* Ends the agent. On shutdown this fails, and the agent ends by itself. */
    zmq_send((*self)->pipe, "END", 3, 0);
    pthread_join((*self)->thread, NULL);
    zmq_close((*self)->pipe);
    zmq_close((*self)->events);
    udplib_destroy(&(*self)->udp);
    free(*self);
    *self = NULL;
}

const char *interface_uuid(const interface *self)
{
    return self->uuid;
}

bool interface_recv(interface *self, zg_msg *msg)
{
    return zg_recv(msg, self->pipe, 0);
}
