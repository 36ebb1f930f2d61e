/* SPDX-License-Identifier: 0BSD */
/* peering.h - shared by the peering programs: endpoints, state messages and the
 * lists of workers. The flow of requests and replies is in each program.
 *
 * Every cluster has a name. Its broker binds sockets to ipc://NAME-PART.ipc in
 * the current directory and connects to those of its peers.
 */
#pragma once
#include "zg.h"
#include <sys/queue.h>

/* Write the endpoint of one part of a cluster to text. */
static inline void endpoint_of(char text[256], const char *name,
                               const char *part)
{
    if (name == NULL
        || snprintf(text, 256, "ipc://%s-%s.ipc", name, part) > 255)
        zg_usage_error();
}

static inline void bind_part(void *sock, const char *name, const char *part)
{
    char endpoint[256];

    endpoint_of(endpoint, name, part);
    zg_bind(sock, part, endpoint);
}

static inline void connect_part(void *sock, const char *name, const char *part)
{
    char endpoint[256];

    endpoint_of(endpoint, name, part);
    zg_connect(sock, endpoint);
}

/* Publish [name][idle workers, in decimal digits]. */
static inline void publish_state(void *sock, const char *name, long idle)
{
    char text[24];
    int size = sprintf(text, "%ld", idle);

    zmq_send(sock, name, strlen(name), ZMQ_SNDMORE);
    zmq_send(sock, text, (size_t) size, 0);
}

/* Return the number of idle workers in a state message, or -1 if the message
 * is malformed. */
static inline long parse_state(zg_msg *msg)
{
    char text[8];
    size_t size = msg->count == 2 ? zmq_msg_size(&msg->frame[1]) : 0;

    if (size == 0 || size >= sizeof text)
        return -1;
    zg_text(&msg->frame[1], text, sizeof text);
    return strspn(text, "0123456789") == size ? atol(text) : -1;
}

static inline void *router_socket(void *ctx)
{
    void *sock = zg_socket(ctx, ZMQ_ROUTER);

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(sock, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    return sock;
}

/* A ROUTER that talks to other brokers has its cluster's name as routing id, so
 * that each side can address the other. Without ZMQ_IMMEDIATE it would queue
 * messages for a peer that has disconnected. */
static inline void *cloud_socket(void *ctx, const char *name)
{
    void *sock = router_socket(ctx);

    zg_must(zmq_setsockopt(sock, ZMQ_ROUTING_ID, name, strlen(name)));
    zg_set(sock, ZMQ_IMMEDIATE, 1);
    return sock;
}

/* ---- Workers ----------------------------------------------------------------
 *
 * With each busy worker stands the origin of its request, to which the reply
 * must return. Both lists are in the order in which workers joined them. */
enum { MAX_WORKERS = 1000 };

enum origin { NONE, CLIENT, PEER }; /* NONE: the worker is idle */

struct worker {
    TAILQ_ENTRY(worker) next;
    zmq_msg_t id;
    enum origin origin; /* of the request it works on */
};
TAILQ_HEAD(worker_list, worker);

static struct worker_list idle = TAILQ_HEAD_INITIALIZER(idle);
static struct worker_list busy = TAILQ_HEAD_INITIALIZER(busy);
static int idle_count, worker_count;

static inline void remove_worker(struct worker *worker)
{
    if (worker->origin == NONE) {
        TAILQ_REMOVE(&idle, worker, next);
        idle_count--;
    } else {
        TAILQ_REMOVE(&busy, worker, next);
    }
    worker_count--;
    zmq_msg_close(&worker->id);
    free(worker);
}

static inline struct worker *find_worker(struct worker_list *list,
                                         zmq_msg_t *id)
{
    struct worker *worker;

    TAILQ_FOREACH(worker, list, next)
        if (zg_equal(id, &worker->id))
            break;
    return worker;
}

/* Append a new worker to the idle list. If there are too many workers, remove
 * the one that has been busy longest, which has probably died, or, if none is
 * busy, the new one. */
static inline void add_worker(zmq_msg_t *id)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL)
        zg_die("calloc");
    zmq_msg_init(&worker->id);
    zmq_msg_copy(&worker->id, id);
    TAILQ_INSERT_TAIL(&idle, worker, next);
    idle_count++;
    if (++worker_count > MAX_WORKERS) {
        fprintf(stderr, "W: more than %d workers\n", MAX_WORKERS);
        remove_worker(TAILQ_EMPTY(&busy) ? worker : TAILQ_FIRST(&busy));
    }
}

/* Put the sender of a message on the idle list, and add it if it is new. Return
 * the origin of the request that it has finished; NONE if it had none. */
static inline enum origin mark_idle(zmq_msg_t *id)
{
    struct worker *worker = find_worker(&busy, id);

    if (worker == NULL) {
        if (find_worker(&idle, id) == NULL)
            add_worker(id);
        return NONE;
    }
    enum origin origin = worker->origin;
    worker->origin = NONE;
    TAILQ_REMOVE(&busy, worker, next);
    TAILQ_INSERT_TAIL(&idle, worker, next);
    idle_count++;
    return origin;
}

static inline void mark_busy(struct worker *worker, enum origin origin)
{
    TAILQ_REMOVE(&idle, worker, next);
    TAILQ_INSERT_TAIL(&busy, worker, next);
    worker->origin = origin;
    idle_count--;
}

static inline void remove_all_workers(void)
{
    while (!TAILQ_EMPTY(&idle))
        remove_worker(TAILQ_FIRST(&idle));
    while (!TAILQ_EMPTY(&busy))
        remove_worker(TAILQ_FIRST(&busy));
}
