/* SPDX-License-Identifier: 0BSD */
/* clone.c - the thread behind the functions of clone.h: the agent.
 *
 *     application PAIR <--> PAIR agent SUB, DEALER <--- the current server
 *                                (this)     PUB ------> both servers
 *
 * The agent keeps a replica of the table of one server, the current one. Until
 * it receives HUGZ, it sends a request for a snapshot once a second. The
 * request is a vote, by which a passive server becomes active. If the current
 * server is silent, the agent joins the other one.
 *
 * It sends the updates of the application to both servers. An update is
 * confirmed when its key comes back with its uuid; the agent sends the others
 * again. The wait between two attempts doubles, since a large update takes long
 * on a slow line.
 *
 * Guide: chapter 5, "Building a Multithreaded Stack and API".
 */
#include "clone.h"

#include "kvmsg.h"
#include "replica.h"

enum {
    MAX_SERVERS = 2,
    MAX_UNCONFIRMED = 10000,
    MAX_UNCONFIRMED_BYTES = 1 << 28,
    MAX_VALUE = 1000000,
    RESEND_MS = 1000,      /* first wait for a confirmation */
    MAX_RESEND_MS = 16000, /* longest one */
    TICK_MS = 100,         /* between two calls of tick() */
    BATCH = 100,           /* messages from a server, then a command */
};

/* A context per server: a slow name lookup of one does not delay the other. */
struct server {
    char endpoint[256], publisher[256];
    void *ctx, *collector;
};

struct clone {
    /* used by the application's thread */
    void *pipe;
    bool has_ended;
    struct kvmsg_writer writer;
    pthread_t thread;

    /* used by the agent only, after clone_new() */
    void *command;
    struct server server[MAX_SERVERS];
    int server_count, current;
    struct replica replica;
    table *unconfirmed; /* updates; item_time() is when they were last sent */
    long resend_ms;
    int64_t vote_at;
    int64_t sync_until; /* deadline of clone_sync(), or 0 */
};

/* ---- Servers ------------------------------------------------------------ */

static void join_server(struct clone *self, int server)
{
    self->current = server;
    self->vote_at = 0;
    self->resend_ms = RESEND_MS;
    self->replica.ctx = self->server[server].ctx;
    replica_join(&self->replica, self->server[server].endpoint,
                 self->server[server].publisher);
}

/* Send an update to both servers, and keep it until it is confirmed. */
static void send_update(struct clone *self, zg_msg *update)
{
    table_put(self->unconfirmed, update, zg_now());
    for (int i = 0; i < self->server_count; i++) {
        zg_msg copy = { 0 };
        zg_append(&copy, update->frame, update->count);
        zg_send(&copy, self->server[i].collector, ZMQ_DONTWAIT);
        zg_clear(&copy);
    }
}

/* Send the updates again that are unconfirmed for too long, oldest first. */
static void resend(struct clone *self)
{
    int64_t until = zg_now() - self->resend_ms;
    bool has_resent = false;
    zg_msg update = { 0 };
    item *it;

    while ((it = table_first_timed(self->unconfirmed)) != NULL
           && item_time(it) <= until) {
        item_append(it, &update);
        kvmsg_age(&update, zg_now() - item_time(it));
        send_update(self, &update); /* which moves it to the end */
        zg_clear(&update);
        has_resent = true;
    }
    if (has_resent && self->resend_ms < MAX_RESEND_MS)
        self->resend_ms *= 2;
}

/* Remove an unconfirmed update if the server has published it. */
static void confirm(struct clone *self, zg_msg *update)
{
    item *it = table_find(self->unconfirmed, &update->frame[KV_KEY]);

    if (it != NULL && kvmsg_has_uuid_of(update, it)) {
        table_remove(self->unconfirmed, it);
        self->resend_ms = RESEND_MS;
    }
}

/* Remove the unconfirmed updates that the new table contains. */
static void confirm_all(struct clone *self)
{
    zg_msg update = { 0 };
    item *next;

    for (item *it = table_first(self->unconfirmed); it != NULL; it = next) {
        next = item_next(it);
        item_append(it, &update);
        item *published =
            table_find(self->replica.table, &update.frame[KV_KEY]);
        if (published != NULL && kvmsg_has_uuid_of(&update, published))
            confirm(self, &update);
        zg_clear(&update);
    }
}

/* Take the next message of the server. Return false if the queue is empty. */
static bool from_server(struct clone *self, zg_msg *msg)
{
    if (!zg_recv(msg, replica_socket(&self->replica), ZMQ_DONTWAIT))
        return false;
    enum replica_change change = replica_handle_message(&self->replica, msg);
    if (change == REPLICA_UPDATED)
        confirm(self, msg);
    if (change == REPLICA_REPLACED)
        confirm_all(self);
    return true;
}

/* ---- Commands of the application ---------------------------------------- */

/* [errno][value] */
static void reply(struct clone *self, int error, const void *value, size_t size)
{
    zg_msg msg = { 0 };
    zg_insert(&msg, 0, &error, sizeof error);
    zg_insert(&msg, 1, value, size);
    zg_send(&msg, self->command, ZMQ_DONTWAIT);
    zg_clear(&msg); /* not sent during shutdown */
}

/* [SUBTREE][subtree] */
static int set_subtree(struct clone *self, zg_msg *command)
{
    struct replica *replica = &self->replica;
    if (self->server_count > 0 || table_count(self->unconfirmed) > 0)
        return EINVAL;
    replica->subtree_size = zmq_msg_size(&command->frame[1]);
    memcpy(replica->subtree, zmq_msg_data(&command->frame[1]),
           replica->subtree_size);
    return 0;
}

/* Connect, as zg_connect() does, to an endpoint that libzmq may refuse. */
static bool try_to_connect(void *sock, const char *endpoint)
{
    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &(int64_t){ -1 }, 8));
    zg_set(sock, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    return zmq_connect(sock, endpoint) == 0;
}

/* [CONNECT][endpoint] */
static int add_server(struct clone *self, zg_msg *command)
{
    const char *endpoint = zmq_msg_data(&command->frame[1]);
    char derived[256];

    if (self->server_count == MAX_SERVERS)
        return EINVAL;
    struct server *server = &self->server[self->server_count];
    snprintf(server->endpoint, sizeof server->endpoint, "%s", endpoint);
    snprintf(server->publisher, sizeof server->publisher, "%s",
             chp_endpoint(derived, endpoint, 1));
    server->ctx = zmq_ctx_new();
    server->collector = zg_socket(server->ctx, ZMQ_PUB);
    chp_prepare_sender(server->collector);
    void *probe = zg_socket(server->ctx, ZMQ_DEALER);
    bool is_valid = try_to_connect(probe, endpoint)
                    && try_to_connect(server->collector,
                                      chp_endpoint(derived, endpoint, 2));
    zmq_close(probe);
    if (!is_valid) {
        zmq_close(server->collector);
        chp_detach_context(server->ctx);
        return EINVAL;
    }
    if (self->server_count++ == 0)
        join_server(self, 0);
    return 0;
}

/* [SET][key][number][uuid][properties][value] */
static int set(struct clone *self, zg_msg *command)
{
    zg_pop(command, 1);
    if (!kv_is_below(command, self->replica.subtree,
                     self->replica.subtree_size))
        return EINVAL;
    bool is_new =
        table_find(self->unconfirmed, &command->frame[KV_KEY]) == NULL;
    if ((is_new && table_count(self->unconfirmed) >= MAX_UNCONFIRMED)
        || table_bytes(self->unconfirmed) > MAX_UNCONFIRMED_BYTES)
        return ENOBUFS;
    send_update(self, command);
    return 0;
}

/* [GET][key] */
static void get(struct clone *self, zg_msg *command)
{
    const void *value = "";
    size_t size = 0;
    item *it = table_find(self->unconfirmed, &command->frame[1]);

    if (it == NULL)
        it = table_find(self->replica.table, &command->frame[1]);
    if (it != NULL)
        value = item_frame(it, KVMSG_VALUE, &size);
    reply(self, size > 0 ? 0 : ENOENT, value, size);
}

/* [SYNC][ms]: tick() replies. */
static void set_deadline(struct clone *self, zg_msg *command)
{
    long msecs;
    memcpy(&msecs, zmq_msg_data(&command->frame[1]), sizeof msecs);
    self->sync_until = zg_now() + msecs;
}

/* Execute a command. Return false for [END]. */
static bool from_application(struct clone *self, zg_msg *command)
{
    if (zg_is(command, 0, "END"))
        return false;
    if (zg_is(command, 0, "SUBTREE"))
        reply(self, set_subtree(self, command), "", 0);
    else if (zg_is(command, 0, "CONNECT"))
        reply(self, add_server(self, command), "", 0);
    else if (zg_is(command, 0, "SET"))
        reply(self, set(self, command), "", 0);
    else if (zg_is(command, 0, "GET"))
        get(self, command);
    else if (zg_is(command, 0, "SYNC"))
        set_deadline(self, command);
    return true;
}

/* ---- The agent ---------------------------------------------------------- */

/* Reply to clone_sync(), change the server, vote and send again, each if it is
 * time to. */
static void tick(struct clone *self)
{
    int64_t now = zg_now();
    bool is_synced = table_count(self->unconfirmed) == 0;

    if (self->sync_until > 0 && (is_synced || now >= self->sync_until)) {
        reply(self, is_synced ? 0 : ETIMEDOUT, "", 0);
        self->sync_until = 0;
    }
    if (self->server_count == 0)
        return;
    if (replica_is_silent(&self->replica)) {
        fprintf(stderr, "W: %s is silent\n",
                self->server[self->current].endpoint);
        join_server(self, (self->current + 1) % self->server_count);
    }
    replica_tick(&self->replica); /* we call it again after TICK_MS anyway */
    if (now >= self->vote_at && replica_vote(&self->replica))
        self->vote_at = now + CHP_HUGZ_MS;
    if (self->replica.state == REPLICA_FOLLOWING)
        resend(self);
}

static void *agent(void *arg)
{
    struct clone *self = arg;
    zg_msg msg = { 0 };
    bool is_running = true;

    while (is_running) {
        zmq_pollitem_t inputs[] = {
            { self->command, 0, ZMQ_POLLIN, 0 },
            { replica_socket(&self->replica), 0, ZMQ_POLLIN, 0 },
        };
        if (zg_poll(inputs, 2, zg_now() + TICK_MS) == -1)
            break;
        if (zg_recv(&msg, self->command, ZMQ_DONTWAIT))
            is_running = from_application(self, &msg);
        for (int i = 0; i < BATCH && from_server(self, &msg); i++)
            continue;
        tick(self);
    }
    zg_clear(&msg);
    return NULL;
}

/* ---- The application's side --------------------------------------------- */

struct clone *clone_new(void *ctx, long timeout)
{
    struct clone *self = calloc(1, sizeof *self);
    char inproc[64];

    if (self == NULL)
        zg_die("calloc");
    snprintf(inproc, sizeof inproc, "inproc://clone-%p", (void *) self);
    self->writer = kvmsg_new_writer();
    self->unconfirmed = table_new();
    replica_init(&self->replica, ctx, KVMSG_FRAMES, "", timeout);
    self->pipe = zg_socket(ctx, ZMQ_PAIR);
    self->command = zg_socket(ctx, ZMQ_PAIR);
    zg_must(zmq_bind(self->command, inproc));
    zg_connect(self->pipe, inproc);
    self->thread = zg_thread(agent, self);
    return self;
}

static void end_agent(struct clone *self)
{
    if (self->has_ended)
        return;
    zmq_send(self->pipe, "END", 3, 0); /* or it has ended on shutdown */
    pthread_join(self->thread, NULL);
    self->has_ended = true;
}

void clone_destroy(struct clone **self)
{
    struct clone *it = *self;

    end_agent(it);
    zmq_close(it->pipe);
    zmq_close(it->command);
    replica_destroy(&it->replica);
    table_destroy(&it->unconfirmed);
    for (int i = 0; i < it->server_count; i++) {
        zmq_close(it->server[i].collector);
        chp_detach_context(it->server[i].ctx);
    }
    free(it);
    *self = NULL;
}

/* Send a command with its arguments, and receive [errno][value] in its place.
 * Return errno. */
static int request(struct clone *self, const char *command, zg_msg *msg)
{
    int error = ETERM;
    zg_insert(msg, 0, command, strlen(command));
    if (zg_send(msg, self->pipe, 0) && zg_recv(msg, self->pipe, 0))
        memcpy(&error, zmq_msg_data(&msg->frame[0]), sizeof error);
    return error;
}

/* Set errno, and return true if it is 0. */
static bool result(int error)
{
    errno = error;
    return error == 0;
}

/* Send a command with one argument. Discard the value of the reply. */
static bool execute(struct clone *self, const char *command, const void *data,
                    size_t size)
{
    zg_msg msg = { 0 };
    zg_insert(&msg, 0, data, size);
    int error = request(self, command, &msg);
    zg_clear(&msg);
    return result(error);
}

bool clone_subtree(struct clone *self, const char *subtree)
{
    if (strlen(subtree) > CHP_KEY_MAX)
        return result(EINVAL);
    return execute(self, "SUBTREE", subtree, strlen(subtree));
}

bool clone_connect(struct clone *self, const char *endpoint)
{
    if (strlen(endpoint) > CHP_ENDPOINT_MAX)
        return result(EINVAL);
    return execute(self, "CONNECT", endpoint, strlen(endpoint) + 1);
}

bool clone_set(struct clone *self, const void *key, size_t key_size,
               const void *value, size_t value_size, long ttl)
{
    char seconds[24];
    zg_msg msg = { 0 };

    if (key_size < 1 || key_size > CHP_KEY_MAX || value_size > MAX_VALUE
        || ttl < 0 || ttl > KVMSG_TTL_MAX)
        return result(EINVAL);
    kvmsg_make(&msg, key, key_size, value, value_size);
    kvmsg_set_uuid(&msg, &self->writer);
    snprintf(seconds, sizeof seconds, "%ld", ttl);
    kvmsg_set_property(&msg, "ttl", seconds);
    int error = EINVAL; /* a reserved key */
    if (!kv_is_reserved(&msg))
        error = request(self, "SET", &msg);
    zg_clear(&msg);
    return result(error);
}

char *clone_get(struct clone *self, const void *key, size_t key_size,
                size_t *size)
{
    zg_msg msg = { 0 };
    char *value = NULL;

    if (key_size > CHP_KEY_MAX) {
        errno = EINVAL;
        return NULL;
    }
    zg_insert(&msg, 0, key, key_size);
    int error = request(self, "GET", &msg);
    if (error == 0) {
        size_t length = zmq_msg_size(&msg.frame[1]);
        value = malloc(length + 1);
        if (value == NULL)
            zg_die("malloc");
        memcpy(value, zmq_msg_data(&msg.frame[1]), length);
        value[length] = '\0';
        if (size != NULL)
            *size = length;
    }
    zg_clear(&msg);
    errno = error;
    return value;
}

bool clone_sync(struct clone *self, long msecs)
{
    if (msecs < 0 || msecs > INT32_MAX)
        return result(EINVAL);
    return execute(self, "SYNC", &msecs, sizeof msecs);
}

void clone_report(struct clone *self)
{
    end_agent(self);
    table_report(self->replica.table, self->replica.sequence);
}
