/* SPDX-License-Identifier: 0BSD */
/* interface.c - beacons: a node's identity, once a second, to everybody.
 *
 *     application PAIR <--- PAIR agent UDP 9999 <---> other nodes
 *        [JOINED][UUID]       (this)      UUID         every second
 *        [LEFT][UUID]                     UUID, 0      when one leaves
 *
 * A UUID that is new has joined, one that was not heard for five seconds has
 * left. Addresses play no part: a peer may have several, or get a new one, and
 * several peers may share one; and a node knows its own beacons by their UUID.
 *
 * The agent waits for nobody. Each peer has two states, what it is and what the
 * application was told; where they differ and its queue is full, the event
 * waits, and the beacons go on: a node must not vanish for being busy.
 *
 * Guide: chapter 8, "Designing the API".
 */
#include "interface.h"
#include "udplib.h"

#include <search.h>
#include <sys/queue.h>

enum {
    PORT = 9999,
    UUID = 16, /* bytes: a beacon; one more, of value 0: a farewell */
    BEACON_MS = 1000,
    EXPIRY_MS = 5000,
    TICK_MS = 250,    /* between two looks at who has expired */
    MAX_PEERS = 1024, /* later ones are seen when others have left */
    BATCH = 1000,     /* datagrams, more than a socket holds; then the clock */
};

struct peer {
    unsigned char uuid[UUID];
    int64_t expires;
    bool here, told; /* it is there; the application believes that it is */
    LIST_ENTRY(peer) link;
};

struct interface {
    void *pipe; /* the application's end; all the rest is the agent's */
    pthread_t thread;
    void *events;
    udplib *udp;
    unsigned char beacon[UUID + 1];
    char uuid[2 * UUID + 1];
    void *by_uuid; /* all peers as a tree, to find, and as a list, to walk */
    LIST_HEAD(, peer) peers;
    int count;
    unsigned long foreign, dropped; /* datagrams of others: all, and told */
};

static void uuid_text(const unsigned char *uuid, char text[2 * UUID + 1])
{
    for (int i = 0; i < UUID; i++)
        sprintf(text + 2 * i, "%02X", uuid[i]);
}

static int compare(const void *a, const void *b)
{
    return memcmp(((const struct peer *) a)->uuid,
                  ((const struct peer *) b)->uuid, UUID);
}

static void forget(interface *self, struct peer *peer)
{
    tdelete(peer, &self->by_uuid, compare);
    LIST_REMOVE(peer, link);
    free(peer);
    self->count--;
}

/* The peer with this UUID, a new one if need be; NULL if there are too many. */
static struct peer *find(interface *self, const unsigned char *uuid)
{
    struct peer key, **found, *peer;

    memcpy(key.uuid, uuid, UUID);
    if ((found = tfind(&key, &self->by_uuid, compare)) != NULL)
        return *found;
    if (self->count == MAX_PEERS || (peer = calloc(1, sizeof *peer)) == NULL)
        return NULL;
    memcpy(peer->uuid, uuid, UUID);
    if (tsearch(peer, &self->by_uuid, compare) == NULL)
        zg_die("tsearch");
    LIST_INSERT_HEAD(&self->peers, peer, link);
    self->count++;
    return peer;
}

/* Make known to the application what this peer is, if it has room to hear. */
static void tell(interface *self, struct peer *peer)
{
    const char *event = peer->here ? "JOINED" : "LEFT";
    char text[2 * UUID + 1];

    if (peer->told != peer->here
        && zmq_send(self->events, event, strlen(event),
                    ZMQ_SNDMORE | ZMQ_DONTWAIT)
               != -1) {
        uuid_text(peer->uuid, text);
        zmq_send(self->events, text, 2 * UUID, ZMQ_DONTWAIT);
        peer->told = peer->here;
    }
    if (!peer->here && !peer->told) /* and nobody thinks it is */
        forget(self, peer);
}

/* UUID, or UUID and 0, and nothing else. False: there was nothing to hear. */
static bool hear(interface *self)
{
    unsigned char data[UUID + 2];
    char from[UDPLIB_FROM];
    ssize_t size = udplib_recv(self->udp, data, sizeof data, from);
    bool farewell = size == UUID + 1 && data[UUID] == 0;
    struct peer *peer;

    if (size == -1)
        return false;
    if (size != UUID && !farewell)
        self->foreign++;
    else if (memcmp(data, self->beacon, UUID) != 0
             && (peer = find(self, data)) != NULL) {
        peer->here = !farewell;
        peer->expires = zg_now() + EXPIRY_MS;
        tell(self, peer);
    }
    return true;
}

/* Who has not been heard? And whom does the application not know yet? */
static void look_around(interface *self)
{
    struct peer *next;

    for (struct peer *peer = LIST_FIRST(&self->peers); peer; peer = next) {
        next = LIST_NEXT(peer, link);
        if (peer->expires <= zg_now())
            peer->here = false;
        tell(self, peer);
    }
}

/* Others may flood the port: one line for all of a second. */
static void beacon(interface *self)
{
    udplib_send(self->udp, self->beacon, UUID);
    if (self->foreign != self->dropped)
        fprintf(stderr, "W: dropped %lu datagrams that are no beacons\n",
                self->foreign);
    self->dropped = self->foreign;
}

static void *agent(void *arg)
{
    interface *self = arg;
    zmq_pollitem_t items[] = {
        { self->events, 0, ZMQ_POLLIN, 0 },
        { NULL, udplib_handle(self->udp), ZMQ_POLLIN, 0 },
    };
    int64_t tick_at = zg_now(), beacon_at = tick_at;

    /* After a pause we hear what has arrived before we judge who is silent. */
    while (zg_poll(items, 2, tick_at) != -1 && items[0].revents == 0) {
        for (int n = 0; n < BATCH && hear(self); n++)
            continue;
        if (zg_now() >= beacon_at) {
            beacon(self);
            beacon_at = zg_now() + BEACON_MS;
        }
        if (zg_now() >= tick_at) {
            look_around(self);
            tick_at = zg_now() + TICK_MS;
        }
    }
    udplib_send(self->udp, self->beacon, UUID + 1);
    while (!LIST_EMPTY(&self->peers))
        forget(self, LIST_FIRST(&self->peers));
    return NULL;
}

interface *interface_new(void *ctx, const char *broadcast)
{
    interface *self = calloc(1, sizeof *self);
    char inproc[64];

    if (self == NULL)
        zg_die("calloc");
    zg_must(getentropy(self->beacon, UUID));
    uuid_text(self->beacon, self->uuid);
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
