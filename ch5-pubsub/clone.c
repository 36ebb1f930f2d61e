/* SPDX-License-Identifier: 0BSD */
/* clone.c - a table that many clients and a pair of servers share (RFC 12).
 *
 *     application PAIR <--> PAIR agent SUB, DEALER <--- one of the servers
 *                                (this)     PUB ------> both
 *
 * The agent keeps a replica of the table of the server that it visits. While it
 * has heard nothing from there it asks, again and again, for that is the vote
 * by which a passive one takes over; and after a silence it goes to the other.
 * What the application sets goes to both servers, and again, until it is back.
 *
 * Guide: chapter 5, "Building a Multithreaded Stack and API".
 */
#include "clone.h"

#include "chp.h"
#include "replica.h"

enum {
    MAX_SERVERS = 2,
    MAX_UNCONFIRMED = 10000,
    MAX_VALUE = 1000000,
    RESEND_MS = 1000, /* to wait for a confirmation, then send again */
    TICK_MS = 100,    /* to look what is due */
    BATCH = 100,      /* messages from a server, then commands have a turn */
};

struct clone {
    void *pipe; /* the application's, as the switch is */
    bool ended;
    pthread_t thread; /* the agent, and all the rest is its */
    void *command, *publisher;
    struct replica copy;
    char server[MAX_SERVERS][256];
    int servers, current;
    kvmap *unconfirmed; /* what was set, "expires" when it was sent */
    int64_t silence, vote_at;
    int64_t sync_until; /* the application waits so long, or 0 */
};

/* ---- The servers -------------------------------------------------------- */

static void visit(clone *self, int server)
{
    self->current = server;
    replica_visit(&self->copy, self->server[server]);
    self->vote_at = 0;
}

static void send_update(clone *self, zg_msg *update)
{
    kvmap_keep(self->unconfirmed, update, zg_now());
    zg_send(update, self->publisher, ZMQ_DONTWAIT);
}

/* The oldest first, and each of them goes to the end of the line. */
static void send_again(clone *self)
{
    int64_t until = zg_now() - RESEND_MS;
    kvitem *item;
    zg_msg update = { 0 };

    while ((item = kvmap_expired(self->unconfirmed, until)) != NULL) {
        kvitem_load(item, &update);
        send_update(self, &update);
        zg_clear(&update);
    }
}

/* It has come back to us. */
static void confirm(clone *self, zg_msg *update)
{
    zmq_msg_t *key = &update->frame[KV_KEY];
    kvitem *item =
        kvmap_find(self->unconfirmed, zmq_msg_data(key), zmq_msg_size(key));

    if (item != NULL && kvmsg_same(update, item))
        kvmap_forget(self->unconfirmed, item);
}

static bool from_server(clone *self, zg_msg *msg)
{
    void *sock = replica_socket(&self->copy);

    if (sock == NULL || !zg_recv(msg, sock, ZMQ_DONTWAIT))
        return false;
    enum replica_news news = replica_take(&self->copy, msg);
    if (news == UPDATED)
        confirm(self, msg);
    if (news == REPLACED)
        kvmsg_settle(self->unconfirmed, self->copy.map);
    return true;
}

/* ---- The application ---------------------------------------------------- */

/* [error][value], the error a number like errno */
static void reply(clone *self, int error, const void *value, size_t size)
{
    zmq_send(self->command, &error, sizeof error, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(self->command, value, size, ZMQ_DONTWAIT);
}

/* [SUBTREE][subtree] */
static int set_subtree(clone *self, zg_msg *command)
{
    if (self->servers > 0 || kvmap_count(self->unconfirmed) > 0)
        return EINVAL;
    snprintf(self->copy.subtree, sizeof self->copy.subtree, "%.*s",
             (int) zmq_msg_size(&command->frame[1]),
             (char *) zmq_msg_data(&command->frame[1]));
    return 0;
}

/* [CONNECT][endpoint] */
static int add_server(clone *self, zg_msg *command)
{
    char *server = self->server[self->servers], collector[256];

    if (self->servers == MAX_SERVERS)
        return EINVAL;
    snprintf(server, sizeof self->server[0], "%.*s",
             (int) zmq_msg_size(&command->frame[1]),
             (char *) zmq_msg_data(&command->frame[1]));
    chp_endpoint(collector, server, 2);
    if (zmq_connect(self->publisher, collector) == -1)
        return EINVAL;
    if (self->servers++ == 0)
        visit(self, 0);
    return 0;
}

/* [SET][key][number][uuid][properties][value] */
static int set(clone *self, zg_msg *command)
{
    if (kvmap_count(self->unconfirmed) >= MAX_UNCONFIRMED)
        return ENOBUFS;
    zg_pop(command, 1);
    if (!replica_covers(&self->copy, command))
        return EINVAL;
    send_update(self, command);
    return 0;
}

/* [GET][key] */
static void get(clone *self, zg_msg *command)
{
    zmq_msg_t *frame = &command->frame[1];
    const void *key = zmq_msg_data(frame), *value = NULL;
    kvitem *item = kvmap_find(self->unconfirmed, key, zmq_msg_size(frame));
    size_t size = 0;

    if (item == NULL)
        item = kvmap_find(self->copy.map, key, zmq_msg_size(frame));
    if (item != NULL)
        value = kvitem_frame(item, KVMSG_VALUE, &size);
    reply(self, size > 0 ? 0 : ENOENT, value, size);
}

/* [SYNC][milliseconds]: tick() replies. False: [END] */
static bool from_application(clone *self, zg_msg *command)
{
    if (zg_is(command, 0, "SUBTREE"))
        reply(self, set_subtree(self, command), NULL, 0);
    else if (zg_is(command, 0, "CONNECT"))
        reply(self, add_server(self, command), NULL, 0);
    else if (zg_is(command, 0, "SET"))
        reply(self, set(self, command), NULL, 0);
    else if (zg_is(command, 0, "GET"))
        get(self, command);
    else if (zg_is(command, 0, "SYNC"))
        self->sync_until =
            zg_now() + *(long *) zmq_msg_data(&command->frame[1]);
    return !zg_is(command, 0, "END");
}

/* ---- The agent ---------------------------------------------------------- */

/* Do what is due. */
static void tick(clone *self)
{
    int64_t now = zg_now();
    bool synced = kvmap_count(self->unconfirmed) == 0;

    if (self->sync_until > 0 && (synced || now >= self->sync_until)) {
        reply(self, synced ? 0 : ETIMEDOUT, NULL, 0);
        self->sync_until = 0;
    }
    if (self->copy.state == NOWHERE)
        return;
    if (now >= self->copy.heard_at + self->silence)
        visit(self, (self->current + 1) % self->servers);
    if (self->copy.state == JOINING && now >= self->vote_at) {
        replica_ask(&self->copy);
        self->vote_at = now + CHP_HUGZ_MS;
    }
    if (self->copy.state == FOLLOWING)
        send_again(self);
}

static void *agent(void *arg)
{
    clone *self = arg;
    zg_msg msg = { 0 };
    bool going = true;

    while (going) {
        void *server = replica_socket(&self->copy);
        zmq_pollitem_t items[] = { { self->command, 0, ZMQ_POLLIN, 0 },
                                   { server, 0, ZMQ_POLLIN, 0 } };
        if (zg_poll(items, server == NULL ? 1 : 2, zg_now() + TICK_MS) == -1)
            break;
        if (zg_recv(&msg, self->command, ZMQ_DONTWAIT))
            going = from_application(self, &msg);
        for (int i = 0; i < BATCH && from_server(self, &msg); i++)
            continue;
        tick(self);
    }
    zg_clear(&msg);
    return NULL;
}

clone *clone_new(void *ctx, long silence)
{
    clone *self = calloc(1, sizeof *self);
    char inproc[64];

    if (self == NULL)
        zg_die("calloc");
    snprintf(inproc, sizeof inproc, "inproc://clone-%p", (void *) self);
    self->silence = silence;
    replica_init(&self->copy, ctx, "");
    self->unconfirmed = kvmap_new();
    self->pipe = zg_socket(ctx, ZMQ_PAIR);
    self->command = zg_socket(ctx, ZMQ_PAIR);
    self->publisher = zg_socket(ctx, ZMQ_PUB);
    zg_set(self->publisher, ZMQ_SNDHWM, CHP_SERVER_QUEUE);
    chp_forget_dead(self->publisher);
    zg_must(zmq_bind(self->command, inproc));
    zg_connect(self->pipe, inproc);
    self->thread = zg_thread(agent, self);
    return self;
}

static void end(clone *self)
{
    if (self->ended)
        return;
    zmq_send(self->pipe, "END", 3, 0);
    pthread_join(self->thread, NULL);
    self->ended = true;
}

void clone_destroy(clone **self)
{
    end(*self);
    zmq_close((*self)->pipe);
    zmq_close((*self)->command);
    zmq_close((*self)->publisher);
    replica_close(&(*self)->copy);
    kvmap_destroy(&(*self)->unconfirmed);
    free(*self);
    *self = NULL;
}

/* Give the agent a command, and get [error][value] in its place. */
static bool request(clone *self, const char *command, zg_msg *msg)
{
    zg_insert(msg, 0, command, strlen(command));
    if (!zg_send(msg, self->pipe, 0) || !zg_recv(msg, self->pipe, 0))
        return zg_clear(msg), errno = ETERM, false;
    errno = *(int *) zmq_msg_data(&msg->frame[0]);
    return errno == 0;
}

/* The same with one frame, if it will do as an argument, and no value. */
static bool tell(clone *self, bool legal, const char *command, const void *data,
                 size_t size)
{
    zg_msg msg = { 0 };
    int error = EINVAL;

    if (legal) {
        zg_insert(&msg, 0, data, size);
        error = request(self, command, &msg) ? 0 : errno;
    }
    zg_clear(&msg);
    return errno = error, error == 0;
}

bool clone_subtree(clone *self, const char *subtree)
{
    return tell(self, strlen(subtree) <= CHP_KEY_MAX, "SUBTREE", subtree,
                strlen(subtree));
}

bool clone_connect(clone *self, const char *endpoint)
{
    size_t size = strlen(endpoint);
    bool legal = size < 240 && strstr(endpoint, "://") != NULL
                 && strchr(":/", endpoint[size - 1]) == NULL;

    return tell(self, legal, "CONNECT", endpoint, size);
}

bool clone_set(clone *self, const void *key, size_t key_size, const void *value,
               size_t value_size, long ttl)
{
    char seconds[24];
    zg_msg msg = { 0 };
    int error = EINVAL;

    kvmsg_make(&msg, key, key_size, 0, value, value_size);
    kvmsg_set_uuid(&msg);
    snprintf(seconds, sizeof seconds, "%ld", ttl);
    kvmsg_set_property(&msg, "ttl", seconds);
    if (kvmsg_valid(&msg) && !kvmsg_reserved(&msg) && value_size <= MAX_VALUE
        && ttl >= 0 && ttl <= KVMSG_TTL_MAX)
        error = request(self, "SET", &msg) ? 0 : errno;
    zg_clear(&msg);
    return errno = error, error == 0;
}

char *clone_get(clone *self, const void *key, size_t key_size, size_t *size)
{
    zg_msg msg = { 0 };
    char *value = NULL;

    zg_insert(&msg, 0, key, key_size);
    if (key_size <= CHP_KEY_MAX && request(self, "GET", &msg)) {
        size_t length = zmq_msg_size(&msg.frame[1]);
        if ((value = malloc(length + 1)) == NULL)
            zg_die("malloc");
        memcpy(value, zmq_msg_data(&msg.frame[1]), length);
        value[length] = '\0';
        if (size != NULL)
            *size = length;
    }
    zg_clear(&msg);
    return value;
}

bool clone_sync(clone *self, long msecs)
{
    return tell(self, msecs >= 0 && msecs <= INT32_MAX, "SYNC", &msecs,
                sizeof msecs);
}

void clone_report(clone *self)
{
    end(self);
    kvmap_report(self->copy.map, self->copy.sequence);
}
