/* SPDX-License-Identifier: 0BSD */
/* flcliapi.c - the client's half of RFC 10: which servers live, whom to ask.
 *
 *     application DEALER <---> ROUTER agent <---> ROUTER servers
 *       [CONNECT][endpoint]        (this)      [PING]
 *       [REQUEST][body...]                     [PONG]
 *       [OK][reply...] or [FAILED]             [number][body or reply...]
 *
 * The agent is a thread, so that servers are watched while the application does
 * something else. One socket for both sides saves it a poll for each message.
 * A request goes to a server that has answered a PING, and soon to the next one
 * if no reply comes, to each once. Connections to servers that then still owe a
 * reply are made anew: this takes back what is unsent, and late replies find no
 * way. We name connections ourselves: how servers call themselves is all one.
 *
 * Guide: chapter 4, "Model Three: Complex and Nasty".
 */
#include "flcliapi.h"

#define APP "app" /* the application's name at the agent's socket */

enum {
    MAX_SERVERS = 64,
    MAX_BODY = 16, /* frames */
    LIVENESS = 3,  /* pings without answer, then we connect anew */
    TRY_MS = 400,  /* then the next server: the third has its turn in time */
};

struct server {
    char endpoint[256];
    char name[24];  /* of this connection */
    bool alive;     /* it answered a PING over this connection */
    bool asked;     /* it got the request over it, and has not replied */
    int unanswered; /* PINGs */
};

struct flcliapi {
    void *pipe, *router; /* the application's end; all the rest: the agent's */
    pthread_t thread;
    long timeout, ping_interval;
    struct server server[MAX_SERVERS];
    int servers, preferred;
    unsigned long connections, requests;
    zg_msg request; /* its body, or empty: none */
    char number[24];
    int64_t ping_at, expires, next_at; /* next_at: to ask one more server */
};

/* Append frames of another message; their bytes are shared. */
static void append(zg_msg *msg, zg_msg *other, int first)
{
    for (int i = first; i < other->count; i++) {
        zmq_msg_init(&msg->frame[msg->count]);
        zmq_msg_copy(&msg->frame[msg->count++], &other->frame[i]);
    }
}

/* [name][PING] or [name][number][body...] */
static bool tell(flcliapi *self, struct server *server, const char *what,
                 zg_msg *body)
{
    zg_msg msg = { 0 };

    zg_insert(&msg, 0, server->name, strlen(server->name));
    zg_insert(&msg, 1, what, strlen(what));
    append(&msg, body, 0);
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

/* [app][CONNECT][endpoint] */
static void add_server(flcliapi *self, zg_msg *msg)
{
    struct server *s = self->server, *end = s + self->servers;

    while (s < end && !zg_is(msg, 2, s->endpoint))
        s++;
    if (s == self->server + MAX_SERVERS) {
        fprintf(stderr, "W: too many servers\n");
    } else if (s == end) {
        snprintf(s->endpoint, sizeof s->endpoint, "%.*s",
                 (int) zmq_msg_size(&msg->frame[2]),
                 (char *) zmq_msg_data(&msg->frame[2]));
        connect_anew(self, s);
        self->servers++;
    }
}

/* [app][REQUEST][body...] */
static void begin(flcliapi *self, zg_msg *msg)
{
    append(&self->request, msg, 2);
    snprintf(self->number, sizeof self->number, "%lu", ++self->requests);
    self->next_at = zg_now();
    self->expires = self->next_at + self->timeout;
}

/* Give the application its [OK][reply...] or [FAILED]. */
static void finish(flcliapi *self, const char *status, zg_msg *msg)
{
    zg_insert(msg, 0, status, strlen(status));
    zg_insert(msg, 0, APP, strlen(APP));
    zg_send(msg, self->router, ZMQ_DONTWAIT);
    zg_clear(&self->request);
    self->expires = self->next_at = ZG_FOREVER;
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
    if (server->asked && zg_is(msg, 1, self->number)) {
        server->asked = false;
        self->preferred = (int) (server - self->server);
        zg_pop(msg, 2);
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

/* Do what is due, and return when more will be, if nothing comes before. */
static int64_t tick(flcliapi *self)
{
    int64_t now = zg_now(), due;

    if (now >= self->ping_at)
        ping_servers(self);
    if (now >= self->expires)
        finish(self, "FAILED", &(zg_msg){ 0 });
    for (int i = 0; i < self->servers && now >= self->next_at; i++) {
        struct server *s = &self->server[(self->preferred + i) % self->servers];
        if (s->alive && !s->asked
            && (s->asked = tell(self, s, self->number, &self->request)))
            self->next_at = now + TRY_MS;
    }
    due = self->ping_at < self->expires ? self->ping_at : self->expires;
    return now < self->next_at && self->next_at < due ? self->next_at : due;
}

static void *agent(void *arg)
{
    flcliapi *self = arg;
    zg_msg msg = { 0 };

    for (bool go_on = true; go_on;) {
        int left = (int) (tick(self) - zg_now());
        left = left > 0 ? left : 0;
        zmq_setsockopt(self->router, ZMQ_RCVTIMEO, &left, sizeof left);
        if (!zg_recv(&msg, self->router, 0))
            go_on = errno != ETERM;
        else if (!zg_is(&msg, 0, APP))
            from_server(self, &msg);
        else if (zg_is(&msg, 1, "REQUEST"))
            begin(self, &msg);
        else if (zg_is(&msg, 1, "CONNECT"))
            add_server(self, &msg);
        else
            go_on = false;
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
    self->expires = self->next_at = ZG_FOREVER; /* there is no request */
    self->pipe = zg_socket(ctx, ZMQ_DEALER);
    self->router = zg_socket(ctx, ZMQ_ROUTER);
    zg_set(self->router, ZMQ_LINGER, 0); /* to take back what is queued */
    zg_set(self->router, ZMQ_ROUTER_MANDATORY, 1);
    zg_set(self->router, ZMQ_CONNECT_TIMEOUT, (int) ping_interval);
    zg_must(zmq_bind(self->router, inproc));
    zg_must(zmq_setsockopt(self->pipe, ZMQ_ROUTING_ID, APP, strlen(APP)));
    zg_connect(self->pipe, inproc);
    self->thread = zg_thread(agent, self);
    return self;
}

void flcliapi_destroy(flcliapi **self)
{
    zmq_send((*self)->pipe, "END", 3, 0);
    pthread_join((*self)->thread, NULL);
    zmq_close((*self)->pipe);
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
    zg_pop(msg, 1);
    errno = found ? 0 : ETIMEDOUT;
    return found;
}
