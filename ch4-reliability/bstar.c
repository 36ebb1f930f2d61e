/* SPDX-License-Identifier: 0BSD */
/* bstar.c - the Binary Star reactor: zmq_poll, zmq_timers and bstarfsm.h.
 *
 * The reactor itself uses one reader, for the peer's state messages, and
 * one timer, for heartbeats. The link to the peer is the same as in bstarsrv.c.
 *
 * Guide: chapter 4, "Binary Star Reactor".
 */
#include "bstar.h"
#include "bstarfsm.h"

enum {
    MAX_CALLBACKS = 16, /* readers, and the same number of timers */
    BATCH = 100,        /* messages of one reader, then it is another's turn */
    MAX_LATE = 4,       /* late state messages in a row */
};

/* A place in a table is free while its handler is NULL. */
struct callback {
    bstar *star;
    bstar_handler *handler;
    void *arg, *sock;
    bool votes; /* its messages are requests of clients */
    int timer_id;
};

struct bstar {
    struct bstarfsm half;
    void *ctx, *timers;
    void *stop; /* a socket of ctx, to notice its shutdown */
    struct callback active, passive;
    struct callback reader[MAX_CALLBACKS], timer[MAX_CALLBACKS];
    bool has_ended;

    /* The link to the peer. Looking up the name of a host may take 30 s and
     * delays all sockets of a context, so the link has a context of its own. */
    void *link_ctx, *statepub, *statesub;
    const char *remote;
    bool received; /* from the peer, since the SUB last connected */
    int64_t received_at;
    int late_count; /* late state messages in a row */
};

/* ---- The half ------------------------------------------------------------ */

static void call(struct callback *callback, zg_msg *msg)
{
    bstar *self = callback->star; /* the handler may end its own callback */

    if (callback->handler != NULL && !self->has_ended
        && callback->handler(msg, callback->sock, callback->arg) == -1)
        self->has_ended = true;
}

/* Let the machine take a step. Log a change of state, and publish. */
static void step(bstar *self, int event, int64_t now)
{
    struct bstarfsm before = self->half;
    char digit;

    self->half = bstarfsm_step(before, event, now);
    if (self->half.state != before.state)
        printf("I: %s -> %s: %s\n", bstarfsm_state_name[before.state],
               bstarfsm_state_name[self->half.state],
               bstarfsm_event_name[event]);
    digit = (char) ('0' + self->half.state);
    if (bstarfsm_must_publish(&before, &self->half))
        zmq_send(self->statepub, &digit, 1, 0); /* a PUB socket never blocks */
}

/* Take an event, and call the application if that changed the state. */
static void handle(bstar *self, int event)
{
    int64_t now = zg_now();
    int before = self->half.state;

    if (bstarfsm_lease_expired(&self->half, now))
        step(self, LEASE_EXPIRED, now);
    step(self, event, now);
    if (self->half.state != before && self->half.state == ACTIVE)
        call(&self->active, NULL);
    if (self->half.state != before && self->half.state == PASSIVE)
        call(&self->passive, NULL);
}

/* ---- The link to the peer ------------------------------------------------ */

/* Warn if state messages arrive more than 1.5 intervals apart, several times in
 * a row. */
static void check_interval(bstar *self)
{
    int64_t now = zg_now();
    bool is_late = now - self->received_at > self->half.interval * 3 / 2;

    self->late_count = is_late ? self->late_count + 1 : 0;
    if (self->late_count == MAX_LATE)
        fprintf(stderr, "W: the states of the peer arrive too far apart, do "
                        "both halves have the same interval?\n");
    self->received_at = now;
    self->received = true;
}

/* [state], a digit from 1 to 4. */
static int from_peer(zg_msg *msg, void *sock, void *arg)
{
    bstar *self = arg;
    char digit = msg->count == 1 && zmq_msg_size(&msg->frame[0]) == 1
                     ? *(char *) zmq_msg_data(&msg->frame[0])
                     : 0;

    (void) sock;
    if (digit < '1' || digit > '4') {
        zg_drop(msg, "the peer");
        return 0;
    }
    if (digit - '0' == self->half.role)
        fprintf(stderr, "W: the peer has our own role, start one half with -p "
                        "and the other with -b\n");
    check_interval(self);
    handle(self, digit - '0'); /* its state is an event for this half */
    return 0;
}

static void open_link(bstar *self, const char *local, const char *remote)
{
    self->remote = remote;
    self->link_ctx = zmq_ctx_new();
    self->statepub = zg_socket(self->link_ctx, ZMQ_PUB);
    zg_set(self->statepub, ZMQ_LINGER, 0);
    zg_bind(self->statepub, "state", local);
    self->statesub = zg_socket(self->link_ctx, ZMQ_SUB);
    zg_set(self->statesub, ZMQ_CONNECT_TIMEOUT, (int) self->half.interval);
    zg_set(self->statesub, ZMQ_RECONNECT_IVL, (int) self->half.interval / 10);
    zg_must(zmq_setsockopt(self->statesub, ZMQ_SUBSCRIBE, "", 0));
    zg_connect(self->statesub, remote);
}

/* Publish, once per interval. If the SUB has received a state message and then
 * none for four intervals, disconnect it and connect it again: the link may be
 * half open. */
static int heartbeat(zg_msg *msg, void *sock, void *arg)
{
    bstar *self = arg;

    (void) msg, (void) sock;
    handle(self, HEARTBEAT);
    if (self->received
        && zg_now() >= self->half.peer_expiry + 2 * self->half.interval) {
        zg_must(zmq_disconnect(self->statesub, self->remote));
        zg_connect(self->statesub, self->remote);
        self->received = false;
    }
    return 0;
}

static void *end_context(void *ctx)
{
    zmq_ctx_term(ctx);
    return NULL;
}

/* ---- Readers and timers -------------------------------------------------- */

/* Add a callback to a table and return it. */
static struct callback *add(bstar *self, struct callback table[],
                            bstar_handler *handler, void *arg)
{
    for (int i = 0; i < MAX_CALLBACKS; i++)
        if (table[i].handler == NULL) {
            table[i] = (struct callback){ .star = self,
                                          .handler = handler,
                                          .arg = arg };
            return &table[i];
        }
    errno = EMFILE;
    zg_die("too many readers or timers");
}

bstar *bstar_new(void *ctx, bool is_primary, const char *local,
                 const char *remote, long interval)
{
    bstar *self = calloc(1, sizeof *self);

    if (self == NULL)
        zg_die("calloc");
    self->half = bstarfsm_start(is_primary ? PRIMARY : BACKUP, interval);
    self->ctx = ctx;
    self->stop = zg_socket(ctx, ZMQ_PAIR);
    self->timers = zmq_timers_new();
    open_link(self, local, remote);
    /* The first reader, so the loop reads it before the clients. */
    bstar_reader(self, self->statesub, from_peer, self);
    bstar_timer(self, interval, heartbeat, self);
    printf("I: %s, waiting for the peer\n",
           bstarfsm_state_name[self->half.role]);
    return self;
}

/* Do not wait for the context of the link: it ends after a lookup that may be
 * pending. */
void bstar_destroy(bstar **self)
{
    for (int i = 0; i < MAX_CALLBACKS; i++)
        if ((*self)->reader[i].votes)
            zmq_close((*self)->reader[i].sock);
    zmq_close((*self)->statesub);
    zmq_close((*self)->statepub);
    zmq_close((*self)->stop);
    pthread_detach(zg_thread(end_context, (*self)->link_ctx));
    zmq_timers_destroy(&(*self)->timers);
    free(*self);
    *self = NULL;
}

void *bstar_voter(bstar *self, const char *endpoint, bstar_handler *handler,
                  void *arg)
{
    void *sock = zg_socket(self->ctx, ZMQ_ROUTER);

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable clients */
    zg_set(sock, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted clients */
    zg_bind(sock, "clients", endpoint);
    struct callback *reader = add(self, self->reader, handler, arg);
    reader->sock = sock;
    reader->votes = true;
    return sock;
}

void bstar_new_active(bstar *self, bstar_handler *handler, void *arg)
{
    self->active =
        (struct callback){ .star = self, .handler = handler, .arg = arg };
}

void bstar_new_passive(bstar *self, bstar_handler *handler, void *arg)
{
    self->passive =
        (struct callback){ .star = self, .handler = handler, .arg = arg };
}

bool bstar_is_active(const bstar *self)
{
    return bstarfsm_serves(&self->half, zg_now());
}

bool bstar_hears_peer(const bstar *self)
{
    return self->received_at != 0
           && zg_now() < self->received_at + 2 * self->half.interval;
}

void bstar_reader(bstar *self, void *sock, bstar_handler *handler, void *arg)
{
    add(self, self->reader, handler, arg)->sock = sock;
}

void bstar_reader_end(bstar *self, void *sock)
{
    for (int i = 0; i < MAX_CALLBACKS; i++)
        if (self->reader[i].sock == sock)
            self->reader[i] = (struct callback){ 0 };
}

static void on_timer(int id, void *callback)
{
    (void) id;
    call(callback, NULL);
}

int bstar_timer(bstar *self, long msecs, bstar_handler *handler, void *arg)
{
    struct callback *timer = add(self, self->timer, handler, arg);

    timer->timer_id =
        zmq_timers_add(self->timers, (size_t) msecs, on_timer, timer);
    return timer->timer_id;
}

void bstar_timer_end(bstar *self, int id)
{
    for (int i = 0; i < MAX_CALLBACKS; i++)
        if (self->timer[i].handler != NULL && self->timer[i].timer_id == id) {
            zmq_timers_cancel(self->timers, id);
            self->timer[i].handler = NULL;
        }
}

/* ---- The reactor --------------------------------------------------------- */

/* Read a batch. A handler may end its own reader, or replace it. */
static void drain(bstar *self, struct callback *reader)
{
    void *sock = reader->sock;
    zg_msg msg = { 0 };

    if (sock == NULL)
        return;
    for (int n = 0; n < BATCH; n++) {
        if (reader->sock != sock || self->has_ended
            || !zg_recv(&msg, sock, ZMQ_DONTWAIT))
            break;
        if (reader->votes)
            handle(self, CLIENT_REQUEST); /* malformed or not */
        if (!reader->votes || bstar_is_active(self))
            call(reader, &msg);
    }
    zg_clear(&msg);
}

int bstar_start(bstar *self)
{
    heartbeat(NULL, NULL, self);
    while (!self->has_ended) {
        zmq_pollitem_t items[MAX_CALLBACKS + 1] = { { self->stop, 0,
                                                      ZMQ_POLLERR, 0 } };
        int n = 1;
        for (int i = 0; i < MAX_CALLBACKS; i++)
            if (self->reader[i].sock != NULL) {
                items[n].socket = self->reader[i].sock;
                items[n++].events = ZMQ_POLLIN;
            }
        if (zg_poll(items, n, zg_now() + zmq_timers_timeout(self->timers)) < 0)
            return 0;
        zmq_timers_execute(self->timers);
        for (int i = 0; i < MAX_CALLBACKS && !self->has_ended; i++)
            drain(self, &self->reader[i]);
    }
    return -1;
}
