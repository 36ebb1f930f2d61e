/* SPDX-License-Identifier: 0BSD */
/* peering.h - what the brokers of a federation share: their endpoints, their
 * state messages, and the flows of requests and replies between them.
 *
 * Each cluster has a name; each of its sockets is bound to ipc://NAME-PART.ipc
 * in the current directory.
 */
#pragma once

static inline void endpoint_of(char *text, const char *name, const char *part)
{
    if (name == NULL
        || snprintf(text, 256, "ipc://%s-%s.ipc", name, part) > 255)
        zg_usage_error();
}

static inline void bind_to(void *sock, const char *name, const char *part)
{
    char endpoint[256];

    endpoint_of(endpoint, name, part);
    zg_bind(sock, part, endpoint);
}

static inline void connect_to(void *sock, char **names, const char *part)
{
    char endpoint[256];

    for (; *names != NULL; names++) {
        endpoint_of(endpoint, *names, part);
        zg_connect(sock, endpoint);
    }
}

/* The state of a cluster: [name][free workers, in decimal digits]. */
static inline void publish(void *statebe, const char *name, long workers)
{
    char text[24];
    int size = sprintf(text, "%ld", workers);

    zmq_send(statebe, name, strlen(name), ZMQ_SNDMORE);
    zmq_send(statebe, text, (size_t) size, 0);
}

/* The number in a state message, or -1 if it is none. */
static inline long free_workers(zg_msg *msg)
{
    char text[8] = "";
    size_t size = msg->count == 2 ? zmq_msg_size(&msg->frame[1]) : 0;

    if (size == 0 || size >= sizeof text)
        return -1;
    memcpy(text, zmq_msg_data(&msg->frame[1]), size);
    return strspn(text, "0123456789") == size ? atol(text) : -1;
}

/* A broker: two sockets for its own clients and workers, two for the others. */
enum { MAX_FREE = 100, MAX_THREADS = 400, BATCH = 100 };
struct broker {
    void *ctx;
    const char *name;
    char **peers; /* their names, ended by NULL */
    void *localfe, *localbe, *cloudfe, *cloudbe;
    zg_msg request; /* the one that is being placed, if any */
    bool cloud_turn;
    int first, free; /* a ring of the workers that are free */
    struct {
        size_t size;
        char bytes[255];
    } id[MAX_FREE];
};

/* All four address peers, and want to be told when one is not there. */
static inline void *broker_socket(struct broker *broker)
{
    void *sock = zg_socket(broker->ctx, ZMQ_ROUTER);

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1);
    return sock;
}

/* To others a broker goes by its name. A connection that is gone, or frozen
 * for 3 seconds, has no route (IMMEDIATE), and a new one takes its place. */
static inline void *cloud_socket(struct broker *broker)
{
    void *sock = broker_socket(broker);

    zg_must(zmq_setsockopt(sock, ZMQ_ROUTING_ID, broker->name,
                           strlen(broker->name)));
    zg_set(sock, ZMQ_ROUTER_HANDOVER, 1);
    zg_set(sock, ZMQ_IMMEDIATE, 1);
    zg_set(sock, ZMQ_HEARTBEAT_IVL, 1000);
    zg_set(sock, ZMQ_HEARTBEAT_TIMEOUT, 3000);
    return sock;
}

static inline void open_broker(struct broker *broker, char **names)
{
    if (names[0] == NULL || strlen(names[0]) > 200)
        zg_usage_error();
    broker->name = names[0];
    broker->peers = names + 1;
    broker->ctx = zg_start();
    broker->localfe = broker_socket(broker);
    broker->localbe = broker_socket(broker);
    broker->cloudfe = cloud_socket(broker);
    broker->cloudbe = cloud_socket(broker);
    bind_to(broker->localfe, broker->name, "localfe");
    bind_to(broker->localbe, broker->name, "localbe");
    bind_to(broker->cloudfe, broker->name, "cloud");
    connect_to(broker->cloudbe, broker->peers, "cloud");
}

static inline void close_broker(struct broker *broker)
{
    zg_clear(&broker->request);
    zmq_close(broker->localfe);
    zmq_close(broker->localbe);
    zmq_close(broker->cloudfe);
    zmq_close(broker->cloudbe);
}

/* A worker is free; once is enough. */
static inline void line_up(struct broker *broker, zmq_msg_t *id)
{
    int slot, n;

    for (n = 0; n < broker->free; n++) {
        slot = (broker->first + n) % MAX_FREE;
        if (broker->id[slot].size == zmq_msg_size(id)
            && memcmp(broker->id[slot].bytes, zmq_msg_data(id),
                      zmq_msg_size(id))
                   == 0)
            return;
    }
    if (n == MAX_FREE) {
        fprintf(stderr, "W: more than %d workers\n", MAX_FREE);
        return;
    }
    slot = (broker->first + broker->free++) % MAX_FREE;
    broker->id[slot].size = zmq_msg_size(id);
    memcpy(broker->id[slot].bytes, zmq_msg_data(id), zmq_msg_size(id));
}

/* The request goes to the next worker that is still there. */
static inline bool to_worker(struct broker *broker)
{
    bool sent = false;

    while (!sent && broker->free > 0) {
        zg_insert(&broker->request, 0, "", 0);
        zg_insert(&broker->request, 0, broker->id[broker->first].bytes,
                  broker->id[broker->first].size);
        broker->first = (broker->first + 1) % MAX_FREE;
        broker->free--;
        sent = zg_send(&broker->request, broker->localbe, ZMQ_DONTWAIT);
        if (!sent) {
            zg_pop(&broker->request, 2);
        }
    }
    return sent;
}

static inline bool to_peer(struct broker *broker, const char *peer)
{
    zg_insert(&broker->request, 0, peer, strlen(peer));
    if (zg_send(&broker->request, broker->cloudbe, ZMQ_DONTWAIT))
        return true;
    zg_pop(&broker->request, 1);
    return false;
}

/* [client][][reply...] for a client, [peer][client][][reply...] for a peer. */
static inline void pass_reply(struct broker *broker, zg_msg *msg)
{
    bool local = msg->count >= 3 && zg_is(msg, 1, "");

    if (!local && !(msg->count >= 4 && zg_is(msg, 2, "")))
        zg_drop(msg, "a worker");
    else if (!zg_send(msg, local ? broker->localfe : broker->cloudfe,
                      ZMQ_DONTWAIT))
        fprintf(stderr, "W: nobody waits for this reply any more\n");
}

/* [worker][][1], or [worker][] and a reply. */
static inline void from_worker(struct broker *broker, zg_msg *msg)
{
    if (msg->count < 3 || !zg_is(msg, 1, "")) {
        zg_drop(msg, "a worker");
        return;
    }
    line_up(broker, &msg->frame[0]);
    if (msg->count == 3 && zg_is(msg, 2, "\001"))
        return;
    zg_pop(msg, 2);
    pass_reply(broker, msg);
}

/* [peer][client][][reply...] */
static inline void from_cloud(struct broker *broker, zg_msg *msg)
{
    if (msg->count < 4 || !zg_is(msg, 2, "")) {
        zg_drop(msg, "a peer");
        return;
    }
    zg_pop(msg, 1);
    pass_reply(broker, msg);
}

/* Read what came back from workers and peers. */
static inline void pass_replies(struct broker *broker)
{
    zg_msg msg = { 0 };

    for (int n = 0; n < BATCH && zg_recv(&msg, broker->localbe, ZMQ_DONTWAIT);
         n++)
        from_worker(broker, &msg);
    for (int n = 0; n < BATCH && zg_recv(&msg, broker->cloudbe, ZMQ_DONTWAIT);
         n++)
        from_cloud(broker, &msg);
    zg_clear(&msg);
}

/* Read a request: [client][][body...] of a client, or with [peer] in front. */
static inline bool read_request(struct broker *broker, bool cloud)
{
    void *frontend = cloud ? broker->cloudfe : broker->localfe;

    while (zg_recv(&broker->request, frontend, ZMQ_DONTWAIT)) {
        if (broker->request.count >= 3 + cloud
            && zg_is(&broker->request, 1 + cloud, ""))
            return true;
        zg_drop(&broker->request, cloud ? "a peer" : "a client");
    }
    return false;
}

/* One from a client, one from a peer, in turn, so that neither starves. */
static inline bool read_in_turn(struct broker *broker)
{
    broker->cloud_turn = !broker->cloud_turn;
    return read_request(broker, broker->cloud_turn)
           || read_request(broker, !broker->cloud_turn);
}

/* A client's REQ socket, and a request on it. 1: the reply is in msg; 0: lost,
 * and the socket a new one, for the old still waits; -1: stop. */
static inline void *client_socket(struct broker *broker)
{
    void *sock = zg_socket(broker->ctx, ZMQ_REQ);

    zg_set(sock, ZMQ_LINGER, 0);
    connect_to(sock, (char *[]){ (char *) broker->name, NULL }, "localfe");
    return sock;
}

static inline int ask(struct broker *broker, void **sock, const char *text,
                      long patience, zg_msg *msg)
{
    zmq_pollitem_t item = { *sock, 0, ZMQ_POLLIN, 0 };
    int replied = -1;

    if (zmq_send(*sock, text, strlen(text), 0) != -1)
        replied = zg_poll(&item, 1, zg_now() + patience);
    if (replied == 1 && !zg_recv(msg, *sock, 0))
        replied = -1;
    if (replied == 0) {
        zmq_close(*sock);
        *sock = client_socket(broker);
    }
    return replied;
}

/* A worker's socket, which has said that it is free. */
static inline void *worker_socket(struct broker *broker)
{
    void *sock = zg_socket(broker->ctx, ZMQ_REQ);

    connect_to(sock, (char *[]){ (char *) broker->name, NULL }, "localbe");
    zmq_send(sock, "\001", 1, 0);
    return sock;
}
