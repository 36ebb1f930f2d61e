/* SPDX-License-Identifier: 0BSD */
/* flcliapi.c - Freelance client class: pings servers, asks those that answer.
 *
 *     application PAIR <---> PAIR agent DEALER <---> ROUTER server
 *       [CONNECT][endpoint]    (this)   DEALER <---> ROUTER server
 *       [REQUEST][body...]              [PING]              [PONG]
 *       [OK][reply...] or [FAILED]      [number][body...]   [number][reply...]
 *
 * The agent is a thread, so it pings the servers also while the application
 * does something else. The agent sends a request to one server that has
 * answered a PING. After each 400 ms without a reply it sends the request to
 * one more. When the request ends, it reconnects to the servers that have not
 * replied, which discards unsent requests and late replies.
 *
 * A request may be executed by several servers. The number in front of a reply
 * tells the agent to which request it belongs. The agent asks a server once per
 * request. If no server replies, the request fails at its timeout.
 *
 * Guide: chapter 4, "Model Three: Complex and Nasty".
 */
#include "flcliapi.h"

enum {
    MAX_SERVERS = 64,
    MAX_BODY = 16, /* frames */
    LIVENESS = 3,  /* PINGs without an answer until the agent reconnects */
    TRY_MS = 400,  /* per server: the third is asked within a second */
    BATCH = 100,   /* messages from one server in a row */
};

struct server {
    char endpoint[256];
    void *ctx, *sock;
    bool is_alive;  /* has answered a PING on this connection */
    bool asked;     /* has the current request, and has not replied */
    int unanswered; /* PINGs */
};

struct flcliapi {
    void *pipe; /* of the application; the rest belongs to the agent */
    void *agent_pipe;
    pthread_t thread;
    long timeout, ping_interval;
    struct server server[MAX_SERVERS];
    int server_count, preferred; /* index of the server that replied last */
    zg_msg request;              /* its body; empty if there is none */
    unsigned long request_count;
    char number[24]; /* of the request */
    int64_t ping_at, expiry, next_try_at;
};

/* Send [PING] or [number][body...]. False if the socket is full. */
static bool send_to(struct server *server, const char *first, zg_msg *body)
{
    zg_msg msg = { 0 };

    zg_insert(&msg, 0, first, strlen(first));
    zg_append(&msg, body->frame, body->count);
    bool sent = zg_send(&msg, server->sock, ZMQ_DONTWAIT);
    zg_clear(&msg);
    return sent;
}

static void ping(struct server *server)
{
    zg_msg none = { 0 };

    if (send_to(server, "PING", &none))
        server->unanswered++;
}

/* Connect, or reconnect with a new socket. */
static void connect_server(flcliapi *self, struct server *server)
{
    if (server->sock != NULL)
        zmq_close(server->sock);
    server->sock = zg_socket(server->ctx, ZMQ_DEALER);
    zg_set(server->sock, ZMQ_LINGER, 0); /* discard unsent requests */
    zg_set(server->sock, ZMQ_CONNECT_TIMEOUT, (int) self->ping_interval);
    zg_connect(server->sock, server->endpoint);
    server->is_alive = server->asked = false;
    server->unanswered = 0;
    ping(server);
}

/* [CONNECT][endpoint]. A server has a context of its own: looking up its name
 * may take 30 s and delays all sockets of the context. */
static void add_server(flcliapi *self, zg_msg *msg)
{
    struct server *server = &self->server[self->server_count];
    size_t size = zmq_msg_size(&msg->frame[1]);

    if (size >= sizeof server->endpoint) {
        errno = ENAMETOOLONG;
        zg_die("flcliapi_connect");
    }
    for (int i = 0; i < self->server_count; i++)
        if (zg_is(msg, 1, self->server[i].endpoint))
            return;
    if (self->server_count == MAX_SERVERS) {
        fprintf(stderr, "W: server ignored, there are %d\n", MAX_SERVERS);
        return;
    }
    memcpy(server->endpoint, zmq_msg_data(&msg->frame[1]), size);
    server->ctx = zmq_ctx_new();
    connect_server(self, server);
    self->server_count++;
}

/* [REQUEST][body...] */
static void begin_request(flcliapi *self, zg_msg *msg)
{
    zg_append(&self->request, &msg->frame[1], msg->count - 1);
    snprintf(self->number, sizeof self->number, "%lu", ++self->request_count);
    self->next_try_at = zg_now();
    self->expiry = zg_now() + self->timeout;
}

/* Send [OK][reply...] or [FAILED] to the application. */
static void end_request(flcliapi *self, const char *status, zg_msg *reply)
{
    zg_insert(reply, 0, status, strlen(status));
    /* Fails only on shutdown: the pipe never holds more than one reply. */
    zg_send(reply, self->agent_pipe, ZMQ_DONTWAIT);
    zg_clear(&self->request);
    self->expiry = self->next_try_at = ZG_FOREVER;
    for (int i = 0; i < self->server_count; i++)
        if (self->server[i].asked)
            connect_server(self, &self->server[i]);
}

/* [PONG] or [number][reply...] */
static void from_server(flcliapi *self, struct server *server, zg_msg *msg)
{
    bool is_pong = msg->count == 1 && zg_is(msg, 0, "PONG");

    if (!is_pong && msg->count < 2) {
        zg_drop(msg, "a server");
        return;
    }
    server->unanswered = 0;
    if (is_pong)
        server->is_alive = true;
    /* A request may wait for a live server. */
    if (is_pong && self->request.count > 0 && self->next_try_at == ZG_FOREVER)
        self->next_try_at = zg_now();
    if (server->asked && zg_is(msg, 0, self->number)) {
        server->asked = false;
        self->preferred = (int) (server - self->server);
        zg_pop(msg, 1);
        end_request(self, "OK", msg);
    }
}

static void read_replies(flcliapi *self, struct server *server)
{
    zg_msg msg = { 0 };

    for (int n = 0; n < BATCH && zg_recv(&msg, server->sock, ZMQ_DONTWAIT); n++)
        from_server(self, server, &msg);
    zg_clear(&msg);
}

static void ping_servers(flcliapi *self)
{
    for (int i = 0; i < self->server_count; i++) {
        struct server *server = &self->server[i];
        if (server->unanswered >= LIVENESS && !server->asked)
            connect_server(self, server);
        else
            ping(server);
    }
    self->ping_at = zg_now() + self->ping_interval;
}

/* Send the request to the next reachable server that does not have it. */
static void try_next_server(flcliapi *self)
{
    for (int i = 0; i < self->server_count; i++) {
        int n = (self->preferred + i) % self->server_count;
        struct server *server = &self->server[n];
        if (!server->is_alive || server->asked
            || !send_to(server, self->number, &self->request))
            continue;
        server->asked = true;
        self->next_try_at = zg_now() + TRY_MS;
        return;
    }
    self->next_try_at = ZG_FOREVER; /* until a server answers a PING */
}

static void check_timers(flcliapi *self)
{
    zg_msg none = { 0 };

    if (zg_now() >= self->ping_at)
        ping_servers(self);
    if (zg_now() >= self->expiry)
        end_request(self, "FAILED", &none);
    if (zg_now() >= self->next_try_at)
        try_next_server(self);
}

/* Wait for messages and timers. False on shutdown. */
static bool wait_for_messages(flcliapi *self)
{
    zmq_pollitem_t items[MAX_SERVERS + 1] = { { self->agent_pipe, 0, ZMQ_POLLIN,
                                                0 } };
    int64_t deadline =
        self->ping_at < self->expiry ? self->ping_at : self->expiry;

    if (self->next_try_at < deadline)
        deadline = self->next_try_at;
    for (int i = 0; i < self->server_count; i++)
        items[i + 1] =
            (zmq_pollitem_t){ self->server[i].sock, 0, ZMQ_POLLIN, 0 };
    return zg_poll(items, self->server_count + 1, deadline) != -1;
}

/* Read a message of the application. False if it is [END]. */
static bool from_application(flcliapi *self, zg_msg *msg)
{
    if (zg_is(msg, 0, "REQUEST"))
        begin_request(self, msg);
    else if (zg_is(msg, 0, "CONNECT"))
        add_server(self, msg);
    else
        return false;
    return true;
}

static void *end_context(void *ctx)
{
    zmq_ctx_term(ctx);
    return NULL;
}

static void *agent(void *arg)
{
    flcliapi *self = arg;
    bool running = true;
    zg_msg msg = { 0 };

    while (running && wait_for_messages(self)) {
        while (running && zg_recv(&msg, self->agent_pipe, ZMQ_DONTWAIT))
            running = from_application(self, &msg);
        for (int i = 0; i < self->server_count; i++)
            read_replies(self, &self->server[i]);
        check_timers(self);
    }
    zg_clear(&msg);
    zg_clear(&self->request);
    /* Do not wait for the contexts: a lookup may be pending. */
    for (int i = 0; i < self->server_count; i++) {
        zmq_close(self->server[i].sock);
        pthread_detach(zg_thread(end_context, self->server[i].ctx));
    }
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
    self->expiry = self->next_try_at = ZG_FOREVER; /* there is no request */
    self->pipe = zg_socket(ctx, ZMQ_PAIR);
    self->agent_pipe = zg_socket(ctx, ZMQ_PAIR);
    zg_must(zmq_bind(self->agent_pipe, inproc));
    zg_connect(self->pipe, inproc);
    self->thread = zg_thread(agent, self);
    return self;
}

void flcliapi_destroy(flcliapi **self)
{
    zmq_send((*self)->pipe, "END", 3, 0); /* on shutdown the agent has ended */
    pthread_join((*self)->thread, NULL);
    zmq_close((*self)->pipe);
    zmq_close((*self)->agent_pipe);
    free(*self);
    *self = NULL;
}

void flcliapi_connect(flcliapi *self, const char *endpoint)
{
    /* Both fail only on shutdown, which flcliapi_request() then reports. */
    zmq_send(self->pipe, "CONNECT", 7, ZMQ_SNDMORE);
    zmq_send(self->pipe, endpoint, strlen(endpoint), 0);
}

bool flcliapi_request(flcliapi *self, zg_msg *msg)
{
    if (msg->count == 0 || msg->count > MAX_BODY) {
        errno = EINVAL;
        return false;
    }
    zg_insert(msg, 0, "REQUEST", 7);
    if (!zg_send(msg, self->pipe, 0) || !zg_recv(msg, self->pipe, 0))
        return false;
    bool replied = zg_is(msg, 0, "OK");
    zg_pop(msg, 1);
    if (!replied)
        errno = ETIMEDOUT;
    return replied;
}
