/* SPDX-License-Identifier: 0BSD */
/* clonecheck.c - runs Clone's model 6 in a simulated network, from a seed.
 *
 *     writer 0, 1, 2 (clone.c) <---> primary, backup (clonesrv6.c)
 *
 * The program contains the code of the servers and of the clients as it is. It
 * replaces what they call: the socket functions of libzmq, the reactor around
 * the state machine of Binary Star, the clock and the random numbers. So a run
 * of a minute takes milliseconds, and a seed repeats it exactly.
 *
 * Messages take a random time, in order on each connection. A run has some
 * faults, one after the other: a server is killed and restarts, a server
 * freezes, a link or all links of a server are cut, messages are lost. The next
 * fault begins when the pair has settled. Each writer sets and deletes keys of
 * its own, now and then, until the last fault is over.
 *
 * Besides, all writers set one key that they share.
 *
 * Then no faults happen, and the program checks, within a time:
 *   1. Every update is confirmed.
 *   2. No confirmed value is lost and none returns: each key has the last value
 *      that its writer has set, or does not exist if the writer has deleted it.
 *   3. The tables of both servers and of all writers are equal. (The shared key
 *      is in them. After a split its value may be older than the last one.)
 * It prints the seed of a run for which that is not so, and exits with 1.
 *
 * Before the runs it checks what a server does with updates while its table is
 * full.
 */
#include "table.h"

static bool is_table_full; /* a simulated limit */
#define table_has_room(items, msg)                                             \
    (!is_table_full && table_has_room(items, msg))

#define main clonesrv6_main
#define usage clonesrv6_usage
#include "../ch5-pubsub/clonesrv6.c"
#undef main
#undef usage
#define server clone_server
#include "../ch5-pubsub/clone.c"
#undef server

#include "bstarfsm.h"

#include <sys/queue.h>

static const char usage[] =
    "clonecheck [-n COUNT] [-t MS] [-s SEED] [-f N] [-v]\n"
    "Runs Clone's model 6 in a simulated network, and checks its promises.\n"
    "  -n COUNT  runs; 0: until the time is over (0)\n"
    "  -t MS     time for all runs; 0: no limit (2000)\n"
    "  -s SEED   of the first run; the next ones count up (1)\n"
    "  -f N      faults in a run (3)\n"
    "  -v        print what happens\n"
    "Peers: none; a tool of the tests\n";

enum {
    PRIMARY_NODE,
    BACKUP_NODE,
    WRITER, /* the first of three */
    NODES = WRITER + 3,
    KEYS = 4,        /* of a writer */
    INTERVAL = 1000, /* ms, of the servers */
    TIMEOUT_MS = 5000,
    SETTLE_MS = 3000, /* then the next fault may begin */
    BREAK_MS = 3000,  /* a cut connection breaks: TCP_MAXRT */
    RECONNECT_MS = 100,
    END_MS = 120000, /* a run must have ended its last check */
};

/* ---- The network --------------------------------------------------------- */

struct packet {
    TAILQ_ENTRY(packet) next;
    int64_t at;
    zg_msg msg;
};
TAILQ_HEAD(packets, packet);

/* A socket of a node, in place of libzmq's. */
struct sock {
    TAILQ_ENTRY(sock) next;
    int node, type, id;
    bool immediate;
    char bound[256], connected[256], topic[2][64];
    int topics;
    zg_msg out, in; /* a message that is being sent, or received */
    int in_frame;
    struct packets inbox, unsent;
};

/* A connection: side 0 has connected, side 1 has bound. */
struct connection {
    TAILQ_ENTRY(connection) next;
    struct sock *side[2];
    struct packets way[2]; /* packets from that side */
    int64_t subscribed_at; /* when the PUB side knows the subscriptions */
    int64_t cut_at;
};

static TAILQ_HEAD(, sock) socks = TAILQ_HEAD_INITIALIZER(socks);
static TAILQ_HEAD(,
                  connection) connections = TAILQ_HEAD_INITIALIZER(connections);
static int64_t now_ms, reconnect_at;
static int current, next_id; /* the node that runs; for new sockets */
static bool is_cut[NODES][NODES], is_up[NODES], is_frozen[NODES];
static int loss, lossy_writer; /* messages per thousand; of all nodes: -1 */
static bool is_last_more;
static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

int clock_gettime(clockid_t id, struct timespec *time)
{
    (void) id;
    *time = (struct timespec){ now_ms / 1000, now_ms % 1000 * 1000000 };
    return 0;
}

int getentropy(void *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *) buffer)[i] = (uint8_t) draw(256);
    return 0;
}

static void free_packets(struct packets *packets)
{
    struct packet *packet;
    while ((packet = TAILQ_FIRST(packets)) != NULL) {
        TAILQ_REMOVE(packets, packet, next);
        zg_clear(&packet->msg);
        free(packet);
    }
}

static void break_connection(struct connection *connection)
{
    TAILQ_REMOVE(&connections, connection, next);
    free_packets(&connection->way[0]);
    free_packets(&connection->way[1]);
    free(connection);
}

static struct packet *new_packet(zg_msg *msg, int64_t at)
{
    struct packet *packet = calloc(1, sizeof *packet);
    zg_append(&packet->msg, msg->frame, msg->count);
    packet->at = at;
    return packet;
}

/* Send a copy over a connection: it takes 1 to 40 ms, and overtakes none. */
static void send_over(struct connection *connection, struct sock *from,
                      zg_msg *msg)
{
    struct packets *way = &connection->way[from == connection->side[1]];
    struct packet *last = TAILQ_LAST(way, packets);
    int64_t at = now_ms + 1 + (int64_t) draw(40);
    if (last != NULL && last->at > at)
        at = last->at;
    struct packet *packet = new_packet(msg, at);
    TAILQ_INSERT_TAIL(way, packet, next);
}

static bool wants(struct sock *subscriber, zg_msg *msg)
{
    for (int i = 0; i < subscriber->topics; i++)
        if (kv_is_below(msg, subscriber->topic[i],
                        strlen(subscriber->topic[i])))
            return true;
    return false;
}

static bool is_lossy(int node)
{
    return lossy_writer == -1 || lossy_writer == node;
}

static void publish_to_all(struct sock *sock, zg_msg *msg)
{
    struct connection *connection;
    TAILQ_FOREACH(connection, &connections, next) {
        bool is_bound = connection->side[1] == sock;
        struct sock *other = connection->side[!is_bound];
        if ((!is_bound && connection->side[0] != sock)
            || now_ms < connection->subscribed_at || !wants(other, msg)
            || (is_lossy(sock->node) && (int) draw(1000) < loss))
            continue;
        send_over(connection, sock, msg);
    }
}

/* Find the connection of a DEALER, or that of a ROUTER to a routing id. */
static struct connection *find_connection(struct sock *sock, zg_msg *msg)
{
    struct connection *connection;
    TAILQ_FOREACH(connection, &connections, next) {
        if (sock->type == ZMQ_DEALER && connection->side[0] == sock)
            return connection;
        if (sock->type == ZMQ_ROUTER && connection->side[1] == sock
            && memcmp(zmq_msg_data(&msg->frame[0]), &connection->side[0]->id,
                      sizeof(int))
                   == 0)
            return connection;
    }
    return NULL;
}

static int dispatch(struct sock *sock)
{
    struct connection *connection = NULL;
    if (sock->type == ZMQ_PUB)
        publish_to_all(sock, &sock->out);
    else if (sock->type == ZMQ_DEALER || sock->type == ZMQ_ROUTER)
        connection = find_connection(sock, &sock->out);
    if (connection != NULL) {
        if (sock->type == ZMQ_ROUTER)
            zg_pop(&sock->out, 1);
        send_over(connection, sock, &sock->out);
    } else if (sock->type == ZMQ_DEALER && !sock->immediate) {
        struct packet *packet = new_packet(&sock->out, 0);
        TAILQ_INSERT_TAIL(&sock->unsent, packet, next);
    } else if (sock->type == ZMQ_DEALER || sock->type == ZMQ_ROUTER) {
        zg_clear(&sock->out);
        errno = sock->type == ZMQ_DEALER ? EAGAIN : EHOSTUNREACH;
        return -1;
    }
    zg_clear(&sock->out);
    return 0;
}

/* Return true if a packet between these nodes can pass now. */
static bool is_open_between(int a, int b)
{
    return is_up[a] && is_up[b] && !is_cut[a][b] && !is_cut[b][a];
}

static struct sock *find_bound(const char *endpoint)
{
    struct sock *sock;
    TAILQ_FOREACH(sock, &socks, next)
        if (strcmp(sock->bound, endpoint) == 0)
            return sock;
    return NULL;
}

static bool is_connected_sock(struct sock *sock)
{
    struct connection *connection;
    TAILQ_FOREACH(connection, &connections, next)
        if (connection->side[0] == sock)
            return true;
    return false;
}

/* Connect the sockets that are not, if the other side answers. */
static void reconnect(void)
{
    struct sock *sock, *peer;
    TAILQ_FOREACH(sock, &socks, next) {
        if (sock->connected[0] == '\0' || is_connected_sock(sock)
            || is_frozen[sock->node])
            continue;
        peer = find_bound(sock->connected);
        if (peer == NULL || is_frozen[peer->node]
            || !is_open_between(sock->node, peer->node))
            continue;
        struct connection *connection = calloc(1, sizeof *connection);
        connection->side[0] = sock;
        connection->side[1] = peer;
        connection->cut_at = ZG_FOREVER;
        connection->subscribed_at = now_ms + 1 + (int64_t) draw(60);
        TAILQ_INIT(&connection->way[0]);
        TAILQ_INIT(&connection->way[1]);
        TAILQ_INSERT_TAIL(&connections, connection, next);
        struct packet *packet;
        while ((packet = TAILQ_FIRST(&sock->unsent)) != NULL) {
            TAILQ_REMOVE(&sock->unsent, packet, next);
            send_over(connection, sock, &packet->msg);
            zg_clear(&packet->msg);
            free(packet);
        }
    }
    reconnect_at = now_ms + RECONNECT_MS;
}

/* Move a packet that has arrived into the socket. A ROUTER sees the id. */
static void arrive(struct connection *connection, int from)
{
    struct packets *way = &connection->way[from];
    struct sock *to = connection->side[!from];
    struct packet *packet = TAILQ_FIRST(way);
    TAILQ_REMOVE(way, packet, next);
    if (to->type == ZMQ_ROUTER)
        zg_insert(&packet->msg, 0, &connection->side[0]->id, sizeof(int));
    TAILQ_INSERT_TAIL(&to->inbox, packet, next);
}

/* Deliver the packets that have arrived, and break connections that are cut for
 * too long. */
static void deliver(void)
{
    struct connection *connection, *next;
    for (connection = TAILQ_FIRST(&connections); connection != NULL;
         connection = next) {
        next = TAILQ_NEXT(connection, next);
        int a = connection->side[0]->node, b = connection->side[1]->node;
        if (!is_open_between(a, b)) {
            if (connection->cut_at == ZG_FOREVER)
                connection->cut_at = now_ms;
            if (now_ms >= connection->cut_at + BREAK_MS)
                break_connection(connection);
            continue;
        }
        connection->cut_at = ZG_FOREVER;
        for (int from = 0; from < 2; from++)
            while (!TAILQ_EMPTY(&connection->way[from])
                   && TAILQ_FIRST(&connection->way[from])->at <= now_ms)
                arrive(connection, from);
    }
}

/* ---- libzmq's functions -------------------------------------------------- */

void *zmq_ctx_new(void)
{
    return &now_ms;
}

int zmq_ctx_term(void *ctx)
{
    (void) ctx;
    return 0;
}

void *zmq_socket(void *ctx, int type)
{
    struct sock *sock = calloc(1, sizeof *sock);
    (void) ctx;
    sock->node = current;
    sock->type = type;
    sock->id = ++next_id;
    TAILQ_INIT(&sock->inbox);
    TAILQ_INIT(&sock->unsent);
    TAILQ_INSERT_TAIL(&socks, sock, next);
    return sock;
}

int zmq_close(void *socket)
{
    struct sock *sock = socket;
    struct connection *connection, *next;
    for (connection = TAILQ_FIRST(&connections); connection != NULL;
         connection = next) {
        next = TAILQ_NEXT(connection, next);
        if (connection->side[0] == sock || connection->side[1] == sock)
            break_connection(connection);
    }
    TAILQ_REMOVE(&socks, sock, next);
    free_packets(&sock->inbox);
    free_packets(&sock->unsent);
    zg_clear(&sock->in);
    zg_clear(&sock->out);
    free(sock);
    return 0;
}

int zmq_bind(void *socket, const char *endpoint)
{
    struct sock *sock = socket;
    snprintf(sock->bound, sizeof sock->bound, "%s", endpoint);
    return 0;
}

int zmq_connect(void *socket, const char *endpoint)
{
    struct sock *sock = socket;
    snprintf(sock->connected, sizeof sock->connected, "%s", endpoint);
    return 0;
}

int zmq_setsockopt(void *socket, int option, const void *value, size_t size)
{
    struct sock *sock = socket;
    if (option == ZMQ_IMMEDIATE)
        sock->immediate = *(const int *) value != 0;
    if (option == ZMQ_SUBSCRIBE)
        snprintf(sock->topic[sock->topics++], sizeof sock->topic[0], "%.*s",
                 (int) size, (const char *) value);
    return 0;
}

int zmq_getsockopt(void *socket, int option, void *value, size_t *size)
{
    struct sock *sock = socket;
    if (option == ZMQ_EVENTS)
        *(int *) value = is_connected_sock(sock) ? ZMQ_POLLOUT : 0;
    if (option == ZMQ_TYPE)
        *(int *) value = sock->type;
    if (option == ZMQ_LAST_ENDPOINT)
        snprintf(value, *size, "%s", sock->bound);
    return 0;
}

int zmq_msg_send(zmq_msg_t *frame, void *socket, int flags)
{
    struct sock *sock = socket;
    zg_append(&sock->out, frame, 1);
    if ((flags & ZMQ_SNDMORE) == 0 && dispatch(sock) == -1)
        return -1;
    return 0;
}

int zmq_send(void *socket, const void *data, size_t size, int flags)
{
    struct sock *sock = socket;
    zg_insert(&sock->out, sock->out.count, data, size);
    return (flags & ZMQ_SNDMORE) == 0 ? dispatch(sock) : 0;
}

int zmq_msg_recv(zmq_msg_t *frame, void *socket, int flags)
{
    struct sock *sock = socket;
    (void) flags;
    if (sock->in.count == 0) {
        struct packet *packet = TAILQ_FIRST(&sock->inbox);
        if (packet == NULL) {
            errno = EAGAIN;
            return -1;
        }
        TAILQ_REMOVE(&sock->inbox, packet, next);
        sock->in = packet->msg;
        sock->in_frame = 0;
        free(packet);
    }
    zmq_msg_copy(frame, &sock->in.frame[sock->in_frame++]);
    is_last_more = sock->in_frame < sock->in.count;
    if (!is_last_more)
        zg_clear(&sock->in);
    return 0;
}

int zmq_msg_more(const zmq_msg_t *frame)
{
    (void) frame;
    return is_last_more;
}

/* ---- bstar.h, around the real state machine ------------------------------ */

enum { MAX_CALLBACKS = 16 };

struct callback {
    bstar_handler *handler;
    void *sock;
    int64_t interval, at; /* of a timer */
};

struct bstar {
    struct bstarfsm half;
    struct callback reader[MAX_CALLBACKS], timer[MAX_CALLBACKS];
    struct callback voter, active, passive;
    void *statepub, *statesub;
    int64_t received_at, heartbeat_at;
};

/* A node with a server. */
static struct server servers[2];
static char snapshot_at[2][16] = { "tcp://p:10", "tcp://b:10" };
static char state_at[2][16] = { "tcp://p:5", "tcp://b:5" };
static FILE *out;
static bool is_verbose;

static void trace(const char *what, int node)
{
    static const char *names[NODES] = { "primary", "backup", "writer 0",
                                        "writer 1", "writer 2" };
    if (is_verbose)
        fprintf(out, "%7.3f  %s %s\n", (double) now_ms / 1000, names[node],
                what);
}

static void step(struct bstar *self, int event)
{
    struct bstarfsm before = self->half;
    char text[64];

    self->half = bstarfsm_step(self->half, event, now_ms);
    if (bstarfsm_must_publish(&before, &self->half))
        zmq_send(self->statepub, &(char){ (char) ('0' + self->half.state) }, 1,
                 0);
    if (self->half.state == before.state)
        return;
    snprintf(text, sizeof text, "-> %s: %s",
             bstarfsm_state_name[self->half.state], bstarfsm_event_name[event]);
    trace(text, current);
    if (self->half.state == ACTIVE)
        self->active.handler(NULL, NULL, &servers[current]);
    if (self->half.state == PASSIVE)
        self->passive.handler(NULL, NULL, &servers[current]);
}

static void handle(struct bstar *self, int event)
{
    if (self->half.state == ACTIVE
        && bstarfsm_lease_expired(&self->half, now_ms))
        step(self, LEASE_EXPIRED);
    step(self, event);
}

bstar *bstar_new(void *ctx, bool is_primary, const char *local,
                 const char *remote, long interval)
{
    struct bstar *self = calloc(1, sizeof *self);
    self->half = bstarfsm_start(is_primary ? PRIMARY : BACKUP, interval);
    self->half = bstarfsm_step(self->half, LEASE_EXPIRED, now_ms);
    self->statepub = zg_socket(ctx, ZMQ_PUB);
    self->statesub = zg_socket(ctx, ZMQ_SUB);
    zg_bind(self->statepub, "state", local);
    zg_must(zmq_setsockopt(self->statesub, ZMQ_SUBSCRIBE, "", 0));
    zg_connect(self->statesub, remote);
    return self;
}

void bstar_destroy(bstar **self)
{
    zmq_close((*self)->statepub);
    zmq_close((*self)->statesub);
    zmq_close((*self)->voter.sock);
    free(*self);
    *self = NULL;
}

void *bstar_voter(bstar *self, const char *endpoint, bstar_handler *handler,
                  void *arg)
{
    (void) arg;
    self->voter.sock = zg_socket(servers[current].ctx, ZMQ_ROUTER);
    self->voter.handler = handler;
    zg_bind(self->voter.sock, "clients", endpoint);
    return self->voter.sock;
}

void bstar_new_active(bstar *self, bstar_handler *handler, void *arg)
{
    (void) arg;
    self->active.handler = handler;
}

void bstar_new_passive(bstar *self, bstar_handler *handler, void *arg)
{
    (void) arg;
    self->passive.handler = handler;
}

bool bstar_is_active(const bstar *self)
{
    return bstarfsm_serves(&self->half, now_ms);
}

bool bstar_hears_peer(const bstar *self)
{
    return now_ms < self->received_at + 2 * INTERVAL;
}

static struct callback *add(struct callback *callbacks, struct callback added)
{
    struct callback *place = callbacks;
    while (place->handler != NULL)
        place++;
    *place = added;
    return place;
}

void bstar_reader(bstar *self, void *sock, bstar_handler *handler, void *arg)
{
    (void) arg;
    add(self->reader, (struct callback){ handler, sock, 0, 0 });
}

void bstar_reader_end(bstar *self, void *sock)
{
    for (int i = 0; i < MAX_CALLBACKS; i++)
        if (self->reader[i].sock == sock)
            self->reader[i] = (struct callback){ 0 };
}

int bstar_timer(bstar *self, long msecs, bstar_handler *handler, void *arg)
{
    (void) arg;
    struct callback added = { handler, NULL, msecs, now_ms + msecs };
    return (int) (add(self->timer, added) - self->timer);
}

void bstar_timer_end(bstar *self, int id)
{
    self->timer[id] = (struct callback){ 0 };
}

int bstar_start(bstar *self)
{
    (void) self;
    return 0;
}

/* ---- Servers ------------------------------------------------------------- */

/* The arguments of clonesrv6 for this node. */
static void set_arguments(int node)
{
    zg_value[0] = snapshot_at[node];
    zg_value[1] = state_at[node];
    zg_value[2] = snapshot_at[!node];
    zg_value[3] = state_at[!node];
}

static void start_server(int node)
{
    struct server *self = &servers[node];

    current = node;
    set_arguments(node);
    is_up[node] = true;
    is_frozen[node] = false;
    *self = (struct server){ .ctx = &now_ms, .peer_ctx = &now_ms };
    open_all(self, node == PRIMARY_NODE, INTERVAL);
    trace("starts", node);
}

static void kill_server(int node)
{
    struct server *self = &servers[node];

    trace("is killed", node);
    current = node;
    is_up[node] = false;
    snapshots_destroy(&self->snapshots);
    pending_destroy(&self->pending);
    table_destroy(&self->deleted);
    replica_destroy(&self->replica);
    bstar_destroy(&self->star);
    zmq_close(self->publisher);
    zmq_close(self->collector);
    zmq_close(self->forward);
}

/* Read all messages of a socket, until the reader is removed. */
static void read_all(struct server *self, struct callback *reader)
{
    void *sock = reader->sock;
    zg_msg msg = { 0 };
    while (reader->sock == sock && zg_recv(&msg, sock, ZMQ_DONTWAIT)) {
        struct sock *before = sock;
        reader->handler(&msg, before, self);
    }
    zg_clear(&msg);
}

static void run_server(int node)
{
    struct server *self = &servers[node];
    struct bstar *star = self->star;
    zg_msg msg = { 0 };

    current = node;
    set_arguments(node);
    while (zg_recv(&msg, star->statesub, ZMQ_DONTWAIT)) {
        star->received_at = now_ms;
        handle(star, *(char *) zmq_msg_data(&msg.frame[0]) - '0');
    }
    while (zg_recv(&msg, star->voter.sock, ZMQ_DONTWAIT)) {
        handle(star, CLIENT_REQUEST);
        if (bstarfsm_serves(&star->half, now_ms))
            star->voter.handler(&msg, star->voter.sock, self);
    }
    zg_clear(&msg);
    for (int i = 0; i < MAX_CALLBACKS; i++)
        if (star->reader[i].handler != NULL)
            read_all(self, &star->reader[i]);
    if (now_ms >= star->heartbeat_at) {
        handle(star, HEARTBEAT);
        star->heartbeat_at = now_ms + INTERVAL;
    }
    for (int i = 0; i < MAX_CALLBACKS; i++) {
        struct callback *timer = &star->timer[i];
        if (timer->handler == NULL || timer->at > now_ms)
            continue;
        timer->at = now_ms + timer->interval;
        timer->handler(NULL, NULL, self);
    }
}

/* ---- Writers ------------------------------------------------------------- */

static struct writer {
    struct clone clone;
    int64_t set_at;
    int count;
    int value[KEYS + 1]; /* the last ones that were set; the last is shared */
} writers[3];
static bool may_write;

static void start_writer(int n)
{
    struct writer *self = &writers[n];
    zg_msg command = { 0 };

    *self = (struct writer){ .set_at = now_ms + (int64_t) draw(1000) };
    current = WRITER + n;
    is_up[current] = true;
    self->clone.writer = kvmsg_new_writer();
    self->clone.unconfirmed = table_new();
    self->clone.command = zg_socket(&now_ms, ZMQ_PAIR);
    replica_init(&self->clone.replica, &now_ms, KVMSG_FRAMES, "", TIMEOUT_MS);
    for (int i = 0; i < 2; i++) {
        zg_insert(&command, 0, "CONNECT", 7);
        zg_insert(&command, 1, snapshot_at[i], strlen(snapshot_at[i]) + 1);
        from_application(&self->clone, &command);
        zg_clear(&command);
    }
}

static void end_writer(int n)
{
    struct clone *clone = &writers[n].clone;
    current = WRITER + n;
    replica_destroy(&clone->replica);
    table_destroy(&clone->unconfirmed);
    zmq_close(clone->command);
    for (int i = 0; i < clone->server_count; i++)
        zmq_close(clone->clone_server[i].collector);
}

/* Write the name of a key of a writer, and its last value: none if deleted. */
static void last_value(int n, int key, char name[16], char value[16])
{
    int number = writers[n].value[key];
    snprintf(name, 16, key < KEYS ? "/%d/%d" : "/shared", n, key);
    value[0] = '\0';
    if (number > 0)
        snprintf(value, 16, "%d/%d", n, number);
}

/* [SET][key][number][uuid][properties][value]: the next value of a key. */
static void set_next(int n)
{
    struct writer *self = &writers[n];
    int key = (int) draw(KEYS + 1);
    char name[16], value[16];
    zg_msg update = { 0 };

    self->value[key] = key < KEYS && draw(8) == 0 ? 0 : ++self->count;
    last_value(n, key, name, value);
    kvmsg_make(&update, name, strlen(name), value, strlen(value));
    kvmsg_set_uuid(&update, &self->clone.writer);
    zg_insert(&update, 0, "SET", 3);
    from_application(&self->clone, &update);
    zg_clear(&update);
    self->set_at = now_ms + 1 + (int64_t) draw(800);
}

static void run_writer(int n)
{
    zg_msg msg = { 0 };
    current = WRITER + n;
    while (from_server(&writers[n].clone, &msg))
        continue;
    zg_clear(&msg);
    tick(&writers[n].clone);
    if (may_write && now_ms >= writers[n].set_at)
        set_next(n);
}

/* ---- A run --------------------------------------------------------------- */

/* Return the active server, or -1 if not exactly one serves and the other
 * follows it. */
static int settled(void)
{
    for (int node = 0; node < 2; node++)
        if (is_up[0] && is_up[1] && !is_frozen[0] && !is_frozen[1]
            && bstar_is_active(servers[node].star)
            && !bstar_is_active(servers[!node].star)
            && servers[!node].replica.state == REPLICA_FOLLOWING)
            return node;
    return -1;
}

static void pass(int64_t ms)
{
    for (int64_t end = now_ms + ms; now_ms < end; now_ms += 10) {
        if (now_ms >= reconnect_at)
            reconnect();
        deliver();
        for (int node = 0; node < NODES; node++)
            if (is_up[node] && !is_frozen[node] && node < WRITER)
                run_server(node);
            else if (is_up[node] && !is_frozen[node])
                run_writer(node - WRITER);
    }
}

static bool pass_until_settled(void)
{
    for (int i = 0; i < 600 && settled() == -1; i++)
        pass(100);
    return settled() != -1;
}

static void cut_off(int node, int other, bool value)
{
    for (int i = 0; i < NODES; i++)
        if (i != node && (other == -1 || i == other))
            is_cut[node][i] = is_cut[i][node] = value;
    trace(value ? "is cut off" : "is connected again", node);
}

/* Let one fault happen, and end. */
static void fail(void)
{
    int node = (int) draw(2), other;
    int64_t time = 200 + (int64_t) draw(9000);

    switch (draw(8)) {
    case 0:
    case 1:
        kill_server(node);
        pass(draw(2) ? 10 : time);
        start_server(node);
        break;
    case 2:
        is_frozen[node] = true;
        trace("freezes", node);
        pass(time);
        is_frozen[node] = false;
        trace("continues", node);
        break;
    case 3: /* the link between the two, or between a server and a writer */
        other = draw(2) ? !node : WRITER + (int) draw(3);
        cut_off(node, other, true);
        pass(time);
        cut_off(node, other, false);
        break;
    case 4: /* a server alone, or with one of the writers */
        cut_off(node, -1, true);
        other = WRITER + (int) draw(3);
        if (draw(2))
            cut_off(node, other, false);
        pass(time);
        cut_off(node, -1, false);
        break;
    case 5:
        loss = 200;
        lossy_writer = -1;
        trace("loses messages", node);
        pass(time / 4);
        loss = 0;
        break;
    case 6: /* some messages of a writer are lost, and the passive server
             * receives the rest late; then the active one is killed */
        node = settled() == -1 ? node : settled();
        loss = 500;
        lossy_writer = other = WRITER + (int) draw(3);
        cut_off(!node, other, true);
        trace("loses messages", other);
        pass(time / 4);
        cut_off(!node, other, false);
        loss = 0;
        pass(100);
        kill_server(node);
        pass(draw(2) ? 10 : time);
        start_server(node);
        break;
    case 7: /* the passive server was alone; the active one freezes before the
             * passive one has fetched the updates of that time */
        node = settled() == -1 ? node : settled();
        cut_off(!node, -1, true);
        pass(time);
        cut_off(!node, -1, false);
        pass(10 + (int64_t) draw(2000));
        is_frozen[node] = true;
        trace("freezes", node);
        pass(5000);
        is_frozen[node] = false;
        trace("continues", node);
        break;
    }
}

/* Return true if a table has the last value of this key, or no such key if the
 * writer has deleted it. */
static bool has_last(table *items, int n, int key)
{
    char name[16], value[16];
    size_t size = 0;
    const void *found = "";
    zg_msg msg = { 0 };

    last_value(n, key, name, value);
    zg_insert(&msg, 0, name, strlen(name));
    item *it = table_find(items, &msg.frame[0]);
    zg_clear(&msg);
    if (it != NULL)
        found = item_frame(it, KVMSG_VALUE, &size);
    return size == strlen(value) && memcmp(found, value, size) == 0;
}

static bool is_right(table *items)
{
    for (int n = 0; n < 3; n++)
        for (int key = 0; key < KEYS; key++)
            if (!has_last(items, n, key))
                return false;
    return true;
}

static bool are_equal(table *a, table *b)
{
    item *it = table_first(a), *other = table_first(b);
    for (; it != NULL && other != NULL;
         it = item_next(it), other = item_next(other))
        for (int frame = KV_KEY; frame != -2; frame -= 1) { /* key, value */
            size_t size, other_size;
            const void *bytes = item_frame(it, frame, &size);
            const void *others = item_frame(other, frame, &other_size);
            if (size != other_size || memcmp(bytes, others, size) != 0)
                return false;
        }
    return it == NULL && other == NULL;
}

/* Return NULL, or a text if a promise does not hold now. */
static const char *check(void)
{
    if (settled() == -1)
        return "the pair has not settled";
    for (int n = 0; n < 3; n++)
        if (table_count(writers[n].clone.unconfirmed) > 0)
            return "an update is unconfirmed";
    for (int node = 0; node < 2; node++)
        if (!is_right(servers[node].replica.table))
            return "a server has another value than was set last";
    for (int n = 0; n < 3; n++)
        if (!are_equal(writers[n].clone.replica.table,
                       servers[0].replica.table))
            return "a writer has another table than the server";
    if (!are_equal(servers[0].replica.table, servers[1].replica.table))
        return "the servers have different tables";
    return NULL;
}

static void clear_up(void)
{
    for (int node = 0; node < 2; node++)
        if (is_up[node])
            kill_server(node);
    for (int n = 0; n < 3; n++)
        end_writer(n);
    memset(is_cut, 0, sizeof is_cut);
}

static void start_all(unsigned seed)
{
    srandom(seed);
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    now_ms = 1000000;
    reconnect_at = next_id = 0;
    may_write = true;
    start_server((int) seed % 2);
    start_server((int) (seed + 1) % 2);
    for (int n = 0; n < 3; n++)
        start_writer(n);
}

/* Let the active server collect an update. Return true if it publishes. */
static bool publishes(struct server *self, zg_msg *update)
{
    zg_msg copy = { 0 };
    int64_t sequence = self->replica.sequence;

    zg_append(&copy, update->frame, update->count);
    collect(&copy, NULL, self);
    zg_clear(&copy);
    return self->replica.sequence > sequence;
}

/* With a full table, an active server confirms an update that it has applied,
 * and drops a new one. Return NULL, or a text if it does not. */
static const char *check_full_table(void)
{
    const char *wrong = NULL;
    struct kvmsg_writer writer = kvmsg_new_writer();
    zg_msg applied = { 0 }, new = { 0 };

    start_all(1);
    may_write = false;
    if (!pass_until_settled())
        return "the pair does not settle";
    current = settled();
    kvmsg_make(&applied, "applied", 7, "v", 1);
    kvmsg_set_uuid(&applied, &writer);
    kvmsg_make(&new, "new", 3, "v", 1);
    kvmsg_set_uuid(&new, &writer);
    if (!publishes(&servers[current], &applied))
        wrong = "a new update is not published";
    is_table_full = true;
    if (!publishes(&servers[current], &applied))
        wrong = "with a full table an applied update is not confirmed";
    if (publishes(&servers[current], &new))
        wrong = "with a full table a new update is not dropped";
    is_table_full = false;
    zg_clear(&applied);
    zg_clear(&new);
    clear_up();
    return wrong;
}

/* Return NULL, or a text if a promise does not hold after all faults. */
static const char *run_once(unsigned seed, int faults)
{
    const char *wrong = NULL;

    start_all(seed);
    for (int i = 0; i < faults && wrong == NULL; i++) {
        if (!pass_until_settled())
            wrong = "the pair does not settle";
        pass(SETTLE_MS + (int64_t) draw(3000));
        fail();
    }
    if (wrong == NULL && !pass_until_settled())
        wrong = "the pair does not settle";
    may_write = false;
    for (int64_t end = now_ms + END_MS; wrong == NULL && now_ms < end;) {
        pass(1000);
        if (check() == NULL)
            break;
    }
    if (wrong == NULL)
        wrong = check();
    clear_up();
    return wrong;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), limit = zg_number('t'), runs = 0;
    unsigned seed = (unsigned) zg_number('s');
    int faults = (int) zg_number('f');
    time_t until = time(NULL) + (limit + 999) / 1000;
    const char *wrong = NULL;

    is_verbose = zg_value['v'] != NULL;
    out = fdopen(dup(STDOUT_FILENO), "w");
    if (out == NULL || freopen("/dev/null", "w", stdout) == NULL
        || freopen("/dev/null", "w", stderr) == NULL)
        return EXIT_FAILURE;
    wrong = check_full_table();
    if (wrong != NULL)
        fprintf(out, "%s\n", wrong);
    while (wrong == NULL && (count == 0 || runs < count)
           && (limit == 0 || time(NULL) < until)) {
        wrong = run_once(seed, faults);
        if (wrong != NULL)
            fprintf(out, "seed %u: %s\n", seed, wrong);
        seed++;
        runs++;
    }
    fprintf(out, "%ld runs\n", runs);
    fclose(out);
    return wrong == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
