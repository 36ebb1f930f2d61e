/* SPDX-License-Identifier: 0BSD */
/* bstar.c - the Binary Star reactor: zmq_poll, zmq_timers, and bstarfsm.h.
 *
 * The pair's own work is done by a handler like those of the application, that
 * reads what the peer is and publishes, by a timer, what we are.
 *
 * Guide: chapter 4, "Binary Star Reactor".
 */
#include "bstar.h"
#include "bstarfsm.h"

enum {
    MAX_CALLEES = 16, /* readers, and as many timers */
    BATCH = 100,      /* messages of one reader, then it is another's turn */
};

/* Somebody to call. In the tables one without handler is a free place. */
struct callee {
    bstar *star;
    bstar_handler *handler;
    void *arg, *sock;
    bool votes; /* its messages are clients' requests */
    int timer;
};

struct bstar {
    struct bstarfsm fsm;
    void *ctx, *timers;
    struct callee active, passive, reader[MAX_CALLEES], timer[MAX_CALLEES];
    int told; /* the state that the application knows */
    bool ended;
};

static void call(struct callee *callee, zg_msg *msg)
{
    if (callee->handler != NULL && !callee->star->ended
        && callee->handler(msg, callee->sock, callee->arg) == -1)
        callee->star->ended = true;
}

/* After each step of the state machine: tell the application what it became. */
static void follow(bstar *self)
{
    int before = self->told;

    self->told = self->fsm.state;
    if (self->told != before && self->told == ACTIVE)
        call(&self->active, NULL);
    if (self->told != before && self->told == PASSIVE)
        call(&self->passive, NULL);
}

/* The peer says what it is, or it is time to say what we are. */
static int pair(zg_msg *msg, void *sock, void *arg)
{
    bstar *self = arg;

    sock != NULL ? bstarfsm_heard(&self->fsm, msg) : bstarfsm_beat(&self->fsm);
    follow(self);
    return 0;
}

static struct callee *add(struct callee table[], struct callee callee)
{
    for (int i = 0; i < MAX_CALLEES; i++)
        if (table[i].handler == NULL) {
            table[i] = callee;
            return &table[i];
        }
    errno = EMFILE;
    zg_die("too many readers or timers");
}

bstar *bstar_new(void *ctx, bool primary, const char *local, const char *remote,
                 long interval)
{
    bstar *self = calloc(1, sizeof *self);

    if (self == NULL)
        zg_die("calloc");
    self->ctx = ctx;
    self->timers = zmq_timers_new();
    bstarfsm_open(&self->fsm, ctx, primary, local, remote, interval);
    bstar_reader(self, self->fsm.statesub, pair, self); /* the first of all */
    bstar_timer(self, interval, pair, self);
    return self;
}

void bstar_destroy(bstar **self)
{
    for (int i = 0; i < MAX_CALLEES; i++)
        if ((*self)->reader[i].votes)
            zmq_close((*self)->reader[i].sock);
    bstarfsm_close(&(*self)->fsm);
    zmq_timers_destroy(&(*self)->timers);
    free(*self);
    *self = NULL;
}

void *bstar_voter(bstar *self, const char *endpoint, int type,
                  bstar_handler *handler, void *arg)
{
    void *sock = zg_socket(self->ctx, type);

    if (type == ZMQ_ROUTER)
        zg_set(sock, ZMQ_ROUTER_MANDATORY, 1);
    zg_bind(sock, "clients", endpoint);
    add(self->reader, (struct callee){ self, handler, arg, sock, true, 0 });
    return sock;
}

void bstar_new_active(bstar *self, bstar_handler *handler, void *arg)
{
    self->active = (struct callee){ self, handler, arg, NULL, false, 0 };
}

void bstar_new_passive(bstar *self, bstar_handler *handler, void *arg)
{
    self->passive = (struct callee){ self, handler, arg, NULL, false, 0 };
}

bool bstar_is_active(const bstar *self)
{
    return self->fsm.state == ACTIVE;
}

bool bstar_hears_peer(const bstar *self)
{
    return zg_now() < self->fsm.vote_at && self->fsm.vote_at != ZG_FOREVER;
}

void bstar_reader(bstar *self, void *sock, bstar_handler *handler, void *arg)
{
    add(self->reader, (struct callee){ self, handler, arg, sock, false, 0 });
}

void bstar_reader_end(bstar *self, void *sock)
{
    for (int i = 0; i < MAX_CALLEES; i++)
        if (self->reader[i].sock == sock)
            self->reader[i] = (struct callee){ 0 };
}

static void on_timer(int id, void *callee)
{
    (void) id;
    call(callee, NULL);
}

int bstar_timer(bstar *self, long msecs, bstar_handler *handler, void *arg)
{
    struct callee *timer =
        add(self->timer, (struct callee){ self, handler, arg, NULL, false, 0 });
    return timer->timer =
               zmq_timers_add(self->timers, (size_t) msecs, on_timer, timer);
}

void bstar_timer_end(bstar *self, int id)
{
    for (int i = 0; i < MAX_CALLEES; i++)
        if (self->timer[i].handler != NULL && self->timer[i].timer == id) {
            zmq_timers_cancel(self->timers, id);
            self->timer[i].handler = NULL;
        }
}

/* A handler may end its own reader, or put another in its place. */
static void drain(bstar *self, struct callee *reader)
{
    void *sock = reader->sock;
    zg_msg msg = { 0 };

    for (int n = 0; n < BATCH && sock != NULL && reader->sock == sock; n++) {
        if (!zg_recv(&msg, sock, ZMQ_DONTWAIT))
            break;
        bool ours = !reader->votes || bstarfsm_serves(&self->fsm);
        follow(self);
        if (ours)
            call(reader, &msg);
    }
    zg_clear(&msg);
}

int bstar_start(bstar *self)
{
    zmq_pollitem_t items[MAX_CALLEES] = { 0 };

    for (pair(NULL, NULL, self); !self->ended;) {
        int n = 0;
        for (int i = 0; i < MAX_CALLEES; i++)
            if ((items[n].socket = self->reader[i].sock) != NULL)
                items[n++].events = ZMQ_POLLIN;
        if (zg_poll(items, n, zg_now() + zmq_timers_timeout(self->timers)) < 0)
            return 0;
        zmq_timers_execute(self->timers);
        for (int i = 0; i < MAX_CALLEES && !self->ended; i++)
            drain(self, &self->reader[i]);
    }
    return -1;
}
