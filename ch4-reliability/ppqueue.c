/* SPDX-License-Identifier: 0BSD */
/* ppqueue.c - Paranoid Pirate queue: goes on while one worker lives.
 *
 *     REQ lpclients ---> ROUTER ppqueue ROUTER <--- DEALER ppworkers
 *                   5555    (this)        5556
 *
 * READY enrols a worker. What it sends shows that it lives; only its reply can
 * tell that it is free. So it is waiting or busy, and heartbeats go to both and
 * come from both. When a busy one falls silent or its connection ends, the next
 * in line gets its request, which after three such deaths is dropped.
 *
 * Build: cc -Icommon ch4-reliability/ppqueue.c -o ppqueue -lzmq -lpthread
 * Try it: see ppworker.c.
 *
 * Guide: chapter 4, "Robust Reliable Queuing (Paranoid Pirate Pattern)".
 */
#include "ppp.h"
#include <search.h>
#include <sys/queue.h>

static const char usage[] =
    "ppqueue [-i MS] [-l N] [FRONTEND [BACKEND]]\n"
    "Gives requests to ppworkers, and to others when those die.\n"
    "  -i MS     heartbeat interval (1000)\n"
    "  -l N      liveness: intervals of silence that mean death (3)\n"
    "  FRONTEND  bind for clients (tcp://127.0.0.1:5555)\n"
    "  BACKEND   bind for workers (tcp://127.0.0.1:5556)\n"
    "Peers: ppworker BACKEND, lpclient FRONTEND\n";

enum { MAX_WORKERS = 1000, SLOTS = 2 * MAX_WORKERS, TRIES = 3 };

/* A worker; or what one leaves that dies while it is busy: its request. */
struct worker {
    zmq_msg_t id;             /* first: the tree compares that */
    int64_t expiry;           /* silent until then, it is dead; 0: no worker */
    zg_msg request;           /* [client][][body...]; none: it is waiting */
    int dispatches;           /* of that request to workers that then lived */
    TAILQ_ENTRY(worker) link; /* in waiting or lost, or in none if busy */
};

static struct worker pool[SLOTS]; /* enough for the living and the lost */
static TAILQ_HEAD(, worker) waiting = TAILQ_HEAD_INITIALIZER(waiting),
                            lost = TAILQ_HEAD_INITIALIZER(lost);
static void *frontend, *backend, *tree; /* the tree finds workers by id */
static int64_t patience, beat_at, check_at;
static int workers;

static int by_id(const void *left, const void *right)
{
    zmq_msg_t *a = (zmq_msg_t *) left, *b = (zmq_msg_t *) right;
    int size = (int) zmq_msg_size(a), order = size - (int) zmq_msg_size(b);

    return order ? order : memcmp(zmq_msg_data(a), zmq_msg_data(b), size);
}

static void enrol(zmq_msg_t *id)
{
    struct worker *worker = pool;

    while (worker->expiry != 0 || worker->request.count > 0)
        worker++;
    zmq_msg_init(&worker->id);
    zmq_msg_copy(&worker->id, id);
    worker->expiry = zg_now() + patience;
    tsearch(worker, &tree, by_id);
    TAILQ_INSERT_TAIL(&waiting, worker, link);
    printf("I: worker ready, %d in all\n", ++workers);
}

/* It is dead, or not what it was. Its request is the next in turn. */
static void strike_off(struct worker *worker, const char *why)
{
    fprintf(stderr, "W: lost a %s worker: %s, %d left\n",
            worker->request.count > 0 ? "busy" : "waiting", why, --workers);
    tdelete(worker, &tree, by_id);
    zmq_msg_close(&worker->id);
    worker->expiry = 0;
    if (worker->request.count > 0)
        TAILQ_INSERT_HEAD(&lost, worker, link);
    else
        TAILQ_REMOVE(&waiting, worker, link);
}

/* [worker][READY], [worker][HEARTBEAT], or [worker][client][][reply...] */
static bool from_worker(zg_msg *msg)
{
    if (!zg_recv(msg, backend, ZMQ_DONTWAIT))
        return false;
    void *found = msg->count > 0 ? tfind(msg->frame, &tree, by_id) : NULL;
    struct worker *worker = found != NULL ? *(struct worker **) found : NULL;
    bool busy = worker != NULL && worker->request.count > 0;

    if (worker != NULL)
        worker->expiry = zg_now() + patience;
    if (msg->count == 2 && zg_is(msg, 1, PPP_READY)) {
        if (busy)
            strike_off(worker, "it began anew");
        if ((busy || worker == NULL) && workers < MAX_WORKERS)
            enrol(&msg->frame[0]);
        else if (worker == NULL)
            zg_drop(msg, "one worker too many");
    } else if (busy && ppp_has_body(msg, 1)
               && by_id(&msg->frame[1], &worker->request.frame[0]) == 0) {
        zg_clear(&worker->request);
        TAILQ_INSERT_TAIL(&waiting, worker, link);
        zg_pop(msg, 1);
        if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno != ETERM)
            fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
    } else if (msg->count != 2 || !zg_is(msg, 1, PPP_HEARTBEAT)) {
        zg_drop(msg, "a worker");
    }
    return true;
}

/* False when the worker cannot be reached: that was its end. */
static bool send_to(struct worker *worker, zg_msg *msg)
{
    zg_insert(msg, 0, zmq_msg_data(&worker->id), zmq_msg_size(&worker->id));
    if (zg_send(msg, backend, ZMQ_DONTWAIT))
        return true;
    if (errno != ETERM)
        strike_off(worker, zmq_strerror(errno));
    zg_clear(msg);
    return false;
}

/* The first request to the first worker; false if one of them is missing. */
static bool dispatch(zg_msg *msg)
{
    struct worker *worker = TAILQ_FIRST(&waiting), *dead = TAILQ_FIRST(&lost);
    zg_msg *request = dead ? &dead->request : msg, *copy = &worker->request;

    if (worker == NULL || (!dead && !zg_recv(msg, frontend, ZMQ_DONTWAIT)))
        return false;
    worker->dispatches = dead ? dead->dispatches : 0;
    if (dead)
        TAILQ_REMOVE(&lost, dead, link);
    if (!ppp_has_body(request, 0) || worker->dispatches == TRIES) {
        zg_drop(request, "a client");
        zg_clear(request);
        return true;
    }
    for (; copy->count < request->count; copy->count++) {
        zmq_msg_init(&copy->frame[copy->count]);
        zmq_msg_copy(&copy->frame[copy->count], &request->frame[copy->count]);
    }
    TAILQ_REMOVE(&waiting, worker, link);
    worker->dispatches += send_to(worker, request);
    return true;
}

/* Strike off the silent, send heartbeats, and see when to do that again. */
static void keep_alive(int64_t now)
{
    bool beat = now >= beat_at;
    zg_msg msg = { 0 };

    check_at = beat_at = beat ? now + zg_number('i') : beat_at;
    for (struct worker *w = pool; w < pool + SLOTS; w++) {
        if (w->expiry == 0)
            continue;
        if (w->expiry <= now) {
            strike_off(w, "silent");
        } else if (beat) {
            zg_insert(&msg, 0, PPP_HEARTBEAT, 1);
            send_to(w, &msg);
        }
        if (w->expiry < check_at)
            check_at = w->expiry; /* at once, if it has left a request */
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    if ((patience = (int64_t) zg_number('i') * zg_number('l')) == 0)
        zg_usage_error();
    void *ctx = zg_start();
    frontend = zg_socket(ctx, ZMQ_ROUTER);
    backend = zg_socket(ctx, ZMQ_ROUTER);
    zg_set(frontend, ZMQ_ROUTER_MANDATORY, 1);
    zg_set(backend, ZMQ_ROUTER_MANDATORY, 1);
    zg_bind(frontend, "frontend", zg_value[0]);
    zg_bind(backend, "backend", zg_value[1]);
    zmq_pollitem_t items[] = { { backend, 0, ZMQ_POLLIN, 0 },
                               { frontend, 0, ZMQ_POLLIN, 0 } };
    zg_msg msg = { 0 };

    do {
        for (int n = 0; n < SLOTS && from_worker(&msg) + dispatch(&msg); n++)
            ; /* one of each in turn, until there are none */
        if (zg_now() >= check_at)
            keep_alive(zg_now());
    } while (zg_poll(items, TAILQ_EMPTY(&waiting) ? 1 : 2, check_at) != -1);
    zg_clear(&msg);
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
