/* SPDX-License-Identifier: 0BSD */
/* spqueue.c - Simple Pirate queue: each request to the worker longest free.
 *
 *     REQ lpclients ---> ROUTER spqueue ROUTER <--- REQ spworkers
 *                   5555    (this)        5556
 *
 * A worker speaks first: READY, and later its replies. Both say that it is
 * free, and it gets in line. While nobody is in line the queue reads no
 * requests: they wait where they are.
 *
 * The queue hopes that workers live. One whose connection has ended is found
 * out when it is to get a request, and the next in line gets it. One that has
 * a request when it dies takes that along; the client has to ask again.
 *
 * Build: cc -Icommon ch4-reliability/spqueue.c -o spqueue -lzmq -lpthread
 *
 * Try it: see spworker.c.
 *
 * Guide: chapter 4, "Basic Reliable Queuing (Simple Pirate Pattern)".
 */
#include "zg.h"

#include <search.h>
#include <sys/queue.h>

static const char usage[] =
    "spqueue [FRONTEND [BACKEND]]\n"
    "Gives the requests of lpclients to spworkers, in order of being free.\n"
    "  FRONTEND  bind for clients (tcp://127.0.0.1:5555)\n"
    "  BACKEND   bind for workers (tcp://127.0.0.1:5556)\n"
    "Peers: spworker BACKEND, lpclient FRONTEND\n";

enum {
    MAX_WORKERS = 1000,           /* in line; if more, the first has to go */
    MAX_FRAMES = ZG_MAX_RECV - 2, /* of a request, so that it can return */
    BATCH = 100,                  /* messages from one side in a row */
};

/* A free worker: in line, and in a tree by its id so as to be there once. */
struct worker {
    size_t id_size;
    char id[255]; /* no routing id is longer */
    TAILQ_ENTRY(worker) link;
};

static void *frontend, *backend, *tree;
static int workers;
static TAILQ_HEAD(, worker) line = TAILQ_HEAD_INITIALIZER(line);

static int by_id(const void *left, const void *right)
{
    const struct worker *a = left, *b = right;

    if (a->id_size != b->id_size)
        return a->id_size < b->id_size ? -1 : 1;
    return memcmp(a->id, b->id, a->id_size);
}

static void remove_first(void)
{
    struct worker *worker = TAILQ_FIRST(&line);

    tdelete(worker, &tree, by_id);
    TAILQ_REMOVE(&line, worker, link);
    free(worker);
    workers--;
}

static void line_up(zmq_msg_t *id)
{
    struct worker *worker = calloc(1, sizeof *worker), **known;

    if (worker == NULL)
        zg_die("calloc");
    worker->id_size = zmq_msg_size(id);
    memcpy(worker->id, zmq_msg_data(id), worker->id_size);
    known = tsearch(worker, &tree, by_id);
    if (known == NULL)
        zg_die("tsearch");
    if (*known != worker) {
        free(worker);
        return;
    }
    TAILQ_INSERT_TAIL(&line, worker, link);
    if (++workers > MAX_WORKERS)
        remove_first();
}

/* [worker][][READY], or [worker][][client][][reply...] to pass on. */
static void from_worker(zg_msg *msg)
{
    bool ready = msg->count == 3 && zg_is(msg, 1, "") && zg_is(msg, 2, "\001");
    bool reply = msg->count > 4 && zg_is(msg, 1, "") && zg_is(msg, 3, "");

    if (ready || reply)
        line_up(&msg->frame[0]);
    else
        zg_drop(msg, "a worker");
    if (reply) {
        zg_pop(msg, 2);
        if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno != ETERM)
            fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
    }
}

/* Give [client][][request...] to the first in line who can be reached; if
 * there is none, it stays in the message. */
static void dispatch(zg_msg *msg)
{
    if (msg->count < 3 || msg->count > MAX_FRAMES || !zg_is(msg, 1, "")) {
        zg_drop(msg, "a client");
        zg_clear(msg);
        return;
    }
    while (!TAILQ_EMPTY(&line)) {
        struct worker *worker = TAILQ_FIRST(&line);
        zg_insert(msg, 0, "", 0);
        zg_insert(msg, 0, worker->id, worker->id_size);
        remove_first();
        if (zg_send(msg, backend, ZMQ_DONTWAIT) || errno == ETERM)
            return;
        fprintf(stderr, "W: a worker is lost: %s\n", zmq_strerror(errno));
        zg_pop(msg, 2);
    }
}

static void *router(void *ctx, const char *name, const char *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_ROUTER);

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1); /* tell us who is gone */
    zg_bind(sock, name, endpoint);
    return sock;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    frontend = router(ctx, "frontend", zg_value[0]);
    backend = router(ctx, "backend", zg_value[1]);
    zmq_pollitem_t items[] = {
        { backend, 0, ZMQ_POLLIN, 0 },
        { frontend, 0, ZMQ_POLLIN, 0 },
    };
    zg_msg msg = { 0 }, request = { 0 };

    while (zg_poll(items, TAILQ_EMPTY(&line) ? 1 : 2, ZG_FOREVER) != -1) {
        for (int n = 0; n < BATCH && zg_recv(&msg, backend, ZMQ_DONTWAIT); n++)
            from_worker(&msg);
        for (int n = 0; n < BATCH && !TAILQ_EMPTY(&line); n++) {
            if (request.count == 0
                && !zg_recv(&request, frontend, ZMQ_DONTWAIT))
                break;
            dispatch(&request);
        }
    }
    while (!TAILQ_EMPTY(&line))
        remove_first();
    zg_clear(&msg);
    zg_clear(&request);
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
