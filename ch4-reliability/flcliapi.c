/* SPDX-License-Identifier: 0BSD */
/* flcliapi.c - the client's half of RFC 10: which servers live, whom to ask.
 *
 *     application PAIR <---> PAIR agent ROUTER <---> ROUTER servers
 *       [CONNECT][endpoint]       (this)    [PING]
 *       [REQUEST][body...]                  [PONG]
 *       [OK][reply...] or [FAILED]          [number][body or reply...]
 *
 * The agent is a thread, so that servers are watched while the application does
 * something else. A request goes to a server that has answered a PING, and soon
 * to the next one if there is no reply, to each at most once.
 * In the end connections to servers that still owe a reply are made anew: that
 * takes back what they have not got, and late replies find no way. We name each
 * connection ourselves, so it does not matter how servers call themselves.
 *
 * Guide: chapter 4, "Model Three: Complex and Nasty".
 */
#include "flcliapi.h"

enum {
    MAX_SERVERS = 64,
    MAX_BODY = 16, /* frames */
    LIVENESS = 3,  /* pings without answer, then we connect anew */
    TRY_MS = 400,  /* then the next server: the third has its turn in time */
    BATCH = 100, /* messages from servers, then it is the application's turn */
};

struct server {
    char endpoint[256];
    char name[24];  /* of this connection */
    bool alive;     /* it answered a PING over this connection */
    bool asked;     /* it got the request over it, and has not replied */
    int unanswered; /* PINGs */
};

struct flcliapi {
    void *pipe; /* the application's end; all the rest is the agent's */
    pthread_t thread;
    void *command, *router;
    long timeout, ping_interval;
    struct server server[MAX_SERVERS];
    int servers, preferred;
    unsigned long connections, requests;
    zg_msg request; /* its body, or empty: none */
    char number[24];
    int64_t ping_at, expires, next_at; /* next_at: to ask one more server */
};

/* [name][PING] or [name][number][body...] */
static bool tell(flcliapi *self, struct server *server, const char *what,
                 zg_msg *body)
{
    zg_msg msg = { 0 };

    zg_insert(&msg, 0, server->name, strlen(server->name));
    zg_insert(&msg, 1, what, strlen(what));
    for (int i = 0; i < body->count; i++) {
        zmq_msg_init(&msg.frame[msg.count]);
        zmq_msg_copy(&msg.frame[msg.count++], &body->frame[i]);
    }
    bool sent = zg_send(&msg, self->router, ZMQ_DONTWAIT);
    zg_clear(&msg);
    return sent;
}

static void connect_anew(flcliapi *self, struct server *server)
{
    if (server->name[0] != '\0')
        zmq_disconnect(self->router, server->endpoint);
    snprintf(server->name, sizeof server->name, "%lu", ++self->connections);
    zg_must(zmq_setsockopt(self->router, ZMQ_CONNECT_ROUTING_ID, server->name,
                           strlen(server->name)));
    if (zmq_connect(self->router, server->endpoint) == -1)
        zg_die(server->endpoint);
    server->alive = server->asked = false;
    server->unanswered = tell(self, server, "PING", &(zg_msg){ 0 });
}

static void add_server(flcliapi *self)
{
    struct server *server = self->server, *end = server + self->servers;

    while (server < end && !zg_is(&self->request, 1, server->endpoint))
        server++;
    if (server == self->server + MAX_SERVERS) {
        fprintf(stderr, "W: too many servers\n");
    } else if (server == end) {
        snprintf(server->endpoint, sizeof server->endpoint, "%.*s",
                 ZG_TEXT(&self->request, 1));
        connect_anew(self, server);
        self->servers++;
    }
    zg_clear(&self->request);
}

static void begin(flcliapi *self)
{
    zg_pop(&self->request);
    snprintf(self->number, sizeof self->number, "%lu", ++self->requests);
    self->next_at = zg_now();
    self->expires = self->next_at + self->timeout;
}

/* Give the application its [OK][reply...] or [FAILED]. */
static void finish(flcliapi *self, const char *status, zg_msg *msg)
{
    zg_insert(msg, 0, status, strlen(status));
    zg_send(msg, self->command, ZMQ_DONTWAIT);
    zg_clear(&self->request);
    for (int i = 0; i < self->servers; i++)
        if (self->server[i].asked)
            connect_anew(self, &self->server[i]);
}

/* [name][PONG] or [name][number][reply...] */
static void from_server(flcliapi *self, zg_msg *msg)
{
    struct server *server = self->server, *end = server + self->servers;
    bool pong = msg->count == 2 && zg_is(msg, 1, "PONG");

    while (server < end && !zg_is(msg, 0, server->name))
        server++;
    if (server == end || (!pong && msg->count < 3)) {
        zg_drop(msg, "a server");
        return;
    }
    server->unanswered = 0;
    server->alive |= pong;
    if (!pong && self->request.count > 0 && zg_is(msg, 1, self->number)) {
        server->asked = false;
        self->preferred = (int) (server - self->server);
        zg_pop(msg);
        zg_pop(msg);
        finish(self, "OK", msg);
    }
}

static void ping_servers(flcliapi *self)
{
    for (struct server *s = self->server; s < &self->server[self->servers]; s++)
        if (s->unanswered >= LIVENESS && !s->asked)
            connect_anew(self, s);
        else
            s->unanswered += tell(self, s, "PING", &(zg_msg){ 0 });
    self->ping_at = zg_now() + self->ping_interval;
}

/* Do what is due: PINGs, and to ask the next server that lives and has not been
 * asked. Returns when to come again, if nobody says anything before. */
static int64_t tick(flcliapi *self)
{
    int64_t now = zg_now(), due;

    if (now >= self->ping_at)
        ping_servers(self);
    if (self->request.count > 0 && now >= self->expires)
        finish(self, "FAILED", &(zg_msg){ 0 });
    if (self->request.count == 0)
        return self->ping_at;
    for (int i = 0; i < self->servers && now >= self->next_at; i++) {
        int n = (self->preferred + i) % self->servers;
        struct server *server = &self->server[n];
        if (server->alive && !server->asked
            && tell(self, server, self->number, &self->request)) {
            server->asked = true;
            self->next_at = now + TRY_MS;
        }
    }
    due = self->ping_at < self->expires ? self->ping_at : self->expires;
    return now < self->next_at && self->next_at < due ? self->next_at : due;
}

static void *agent(void *arg)
{
    flcliapi *self = arg;
    zmq_pollitem_t items[] = { { self->command, 0, ZMQ_POLLIN, 0 },
                               { self->router, 0, ZMQ_POLLIN, 0 } };
    zg_msg msg = { 0 };

    while (zg_poll(items, 2, tick(self)) != -1) {
        if (self->request.count == 0
            && zg_recv(&self->request, self->command, ZMQ_DONTWAIT)) {
            if (zg_is(&self->request, 0, "REQUEST"))
                begin(self);
            else if (zg_is(&self->request, 0, "CONNECT"))
                add_server(self);
            else
                break;
        }
        for (int n = 0; n < BATCH && zg_recv(&msg, self->router, ZMQ_DONTWAIT);
             n++)
            from_server(self, &msg);
    }
    zg_clear(&msg);
    zg_clear(&self->request);
    return NULL;
}

flcliapi *flcliapi_new(void *ctx, long timeout, long ping_interval)
{
    flcliapi *self = calloc(1, sizeof *self);
    char inproc[64];

    if (self == NULL)
        zg_die("calloc");
    snprintf(inproc, sizeof inproc, "inproc://flcliapi-%p", (void *) self);
    self->timeout = timeout;
    self->ping_interval = ping_interval;
    self->pipe = zg_socket(ctx, ZMQ_PAIR);
    self->command = zg_socket(ctx, ZMQ_PAIR);
    self->router = zg_socket(ctx, ZMQ_ROUTER);
    zg_set(self->router, ZMQ_LINGER, 0); /* to take back what is queued */
    zg_set(self->router, ZMQ_ROUTER_MANDATORY, 1);
    zg_set(self->router, ZMQ_CONNECT_TIMEOUT, (int) ping_interval);
    zg_must(zmq_bind(self->command, inproc));
    zg_must(zmq_connect(self->pipe, inproc));
    self->thread = zg_thread(agent, self);
    return self;
}

void flcliapi_destroy(flcliapi **self)
{
    zmq_send((*self)->pipe, "END", 3, 0);
    pthread_join((*self)->thread, NULL);
    zmq_close((*self)->pipe);
    zmq_close((*self)->command);
    zmq_close((*self)->router);
    free(*self);
    *self = NULL;
}

void flcliapi_connect(flcliapi *self, const char *endpoint)
{
    zmq_send(self->pipe, "CONNECT", 7, ZMQ_SNDMORE);
    zmq_send(self->pipe, endpoint, strlen(endpoint), 0);
}

bool flcliapi_request(flcliapi *self, zg_msg *msg)
{
    if (msg->count == 0 || msg->count > MAX_BODY)
        return errno = EINVAL, false;
    zg_insert(msg, 0, "REQUEST", 7);
    if (!zg_send(msg, self->pipe, 0) || !zg_recv(msg, self->pipe, 0))
        return false;
    bool found = zg_is(msg, 0, "OK");
    zg_pop(msg);
    errno = found ? 0 : ETIMEDOUT;
    return found;
}
