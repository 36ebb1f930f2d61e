/* SPDX-License-Identifier: 0BSD */
/* ppqueue.c - Paranoid Pirate queue: a request survives its worker.
 *
 *     REQ lpclients ---> ROUTER ppqueue ROUTER <--- DEALER ppworkers
 *                   5555    (this)        5556
 *
 * The queue knows every worker, idle or busy, and the request of a busy one.
 * Both sides send heartbeats. The queue removes a worker that is silent for too
 * long, or whose connection has closed, and gives its request to the next idle
 * worker. A request that has cost three workers is dropped: it is probably the
 * cause.
 *
 * While all workers are busy, the queue reads no requests, so they wait in the
 * sockets. With no worker, it reads them and keeps the newest 1000; otherwise
 * each retry would add a message to the receive pipes of the frontend. The
 * queue serves the newest request first, since the clients of older ones have
 * probably sent again. Requests of removed workers go before all others,
 * whatever their age.
 *
 * The queue loses its requests if it dies; the clients send them again. A
 * frozen worker may complete a request that another one has received too.
 * titanic.c keeps requests on disk.
 *
 * Build: cc -Icommon ch4-reliability/ppqueue.c -o ppqueue -lzmq -lpthread
 * Try it: see ppworker.c.
 *
 * Guide: chapter 4, "Robust Reliable Queuing (Paranoid Pirate Pattern)".
 */
#include "ppp.h"

#include <sys/queue.h>

static const char usage[] =
    "ppqueue [-i MS] [-l N] [FRONTEND [BACKEND]]\n"
    "Gives requests to idle workers, and that of a lost worker to another.\n"
    "  -i MS     heartbeat interval, at least 1 (1000)\n"
    "  -l N      silent intervals until a worker is removed, at least 1 (3)\n"
    "  FRONTEND  bind for clients (tcp://127.0.0.1:5555)\n"
    "  BACKEND   bind for workers (tcp://127.0.0.1:5556)\n"
    "Peers: ppworker BACKEND, lpclient FRONTEND\n";

enum {
    MAX_WORKERS = 1000,
    MAX_WAITING = 1000,  /* requests, while there is no worker */
    MAX_COST = 3,        /* removed workers until their request is dropped */
    BATCH = MAX_WORKERS, /* messages in a row: at least one of each worker */
};

struct request {
    TAILQ_ENTRY(request) next; /* in orphans or waiting; newest first */
    zg_msg msg;                /* [client][][body...] */
    int cost;                  /* workers that were removed with it */
};
TAILQ_HEAD(request_list, request);

struct worker {
    TAILQ_ENTRY(worker) next; /* in workers */
    zmq_msg_t id;
    long silent;             /* intervals since its last message */
    struct request *request; /* NULL while the worker is idle */
};

/* Idle workers are in the order in which they became idle. */
static TAILQ_HEAD(, worker) workers = TAILQ_HEAD_INITIALIZER(workers);
static int worker_count;

/* Requests of removed workers. At most MAX_WORKERS, because dispatch() reads no
 * new request while there are orphans. */
static struct request_list orphans = TAILQ_HEAD_INITIALIZER(orphans);

/* Requests that arrived while there was no worker. */
static struct request_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
static int waiting_count;

static void *frontend, *backend;
static long liveness;

static struct worker *find_worker(zmq_msg_t *id)
{
    struct worker *worker;

    TAILQ_FOREACH(worker, &workers, next)
        if (zg_equal(id, &worker->id))
            break;
    return worker;
}

static struct worker *find_idle(void)
{
    struct worker *worker;

    TAILQ_FOREACH(worker, &workers, next)
        if (worker->request == NULL)
            break;
    return worker;
}

static void add_worker(zmq_msg_t *id)
{
    struct worker *worker;

    if (worker_count == MAX_WORKERS) {
        fprintf(stderr, "W: refused a worker: there are %d\n", MAX_WORKERS);
        return;
    }
    if ((worker = calloc(1, sizeof *worker)) == NULL)
        zg_die("calloc");
    zmq_msg_init(&worker->id);
    zmq_msg_copy(&worker->id, id);
    TAILQ_INSERT_TAIL(&workers, worker, next);
    worker_count++;
    printf("I: worker registered, %d in all\n", worker_count);
}

static void free_request(struct request *request)
{
    zg_clear(&request->msg);
    free(request);
}

/* Remove a worker. Dispatch its request before all others, or drop it if this
 * is the third worker that it has cost. */
static void remove_worker(struct worker *worker, const char *reason)
{
    struct request *request = worker->request;

    worker_count--;
    fprintf(stderr, "W: removed %s worker: %s, %d left\n",
            request != NULL ? "a busy" : "an idle", reason, worker_count);
    if (request != NULL && ++request->cost == MAX_COST) {
        fprintf(stderr, "W: request dropped, it has cost %d workers\n",
                MAX_COST);
        free_request(request);
    } else if (request != NULL) {
        TAILQ_INSERT_HEAD(&orphans, request, next);
    }
    TAILQ_REMOVE(&workers, worker, next);
    zmq_msg_close(&worker->id);
    free(worker);
}

/* Send [worker][frames of msg...]. If the worker cannot be reached, remove it
 * and return false. Return true on shutdown, to try no other worker. */
static bool send_to(struct worker *worker, zg_msg *msg)
{
    zg_insert(msg, 0, zmq_msg_data(&worker->id), zmq_msg_size(&worker->id));
    bool failed = !zg_send(msg, backend, ZMQ_DONTWAIT) && errno != ETERM;
    if (failed)
        remove_worker(worker, zmq_strerror(errno));
    zg_clear(msg);
    return !failed;
}

/* Make a busy worker idle, and the last one in the list. */
static void end_request(struct worker *worker)
{
    free_request(worker->request);
    worker->request = NULL;
    TAILQ_REMOVE(&workers, worker, next);
    TAILQ_INSERT_TAIL(&workers, worker, next);
}

/* [worker][READY], [worker][HEARTBEAT] or [worker][client][][reply...] */
static void from_worker(zg_msg *msg)
{
    struct worker *worker = find_worker(&msg->frame[0]);
    bool is_busy = worker != NULL && worker->request != NULL;
    bool is_reply = ppp_has_body(msg, 1);

    if (worker != NULL)
        worker->silent = 0;
    if (msg->count == 2 && zg_is(msg, 1, PPP_HEARTBEAT))
        return;
    if (msg->count == 2 && zg_is(msg, 1, PPP_READY)) {
        if (is_busy)
            remove_worker(worker, "it restarted");
        if (is_busy || worker == NULL)
            add_worker(&msg->frame[0]);
    } else if (is_busy && is_reply
               && zg_equal(&msg->frame[1], &worker->request->msg.frame[0])) {
        end_request(worker);
        zg_pop(msg, 1);
        if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno != ETERM)
            fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
    } else if (is_reply) {
        /* A busy worker stays busy: its own reply or READY may follow. */
        fprintf(stderr, "W: reply dropped: this worker has no such request\n");
    } else {
        zg_drop(msg, "a worker");
        if (is_busy) /* a malformed reply, so no other will come */
            end_request(worker);
    }
}

/* Receive a request from a client: [client][][body...]. Return NULL if there is
 * none, or a malformed one. */
static struct request *receive_request(void)
{
    struct request *request = calloc(1, sizeof *request);

    if (request == NULL)
        zg_die("calloc");
    if (zg_recv(&request->msg, frontend, ZMQ_DONTWAIT)) {
        if (ppp_has_body(&request->msg, 0))
            return request;
        zg_drop(&request->msg, "a client");
    }
    free(request);
    return NULL;
}

/* Return an orphan, or else the newest request, or NULL. A request in the
 * socket is newer than all that have been read. */
static struct request *next_request(void)
{
    struct request *request = TAILQ_FIRST(&orphans);

    if (request != NULL) {
        TAILQ_REMOVE(&orphans, request, next);
        return request;
    }
    if ((request = receive_request()) != NULL)
        return request;
    if ((request = TAILQ_FIRST(&waiting)) != NULL) {
        TAILQ_REMOVE(&waiting, request, next);
        waiting_count--;
    }
    return request;
}

/* Give requests to idle workers. The queue keeps each until its reply. */
static void dispatch(void)
{
    struct worker *worker;
    struct request *request;

    while ((worker = find_idle()) && (request = next_request())) {
        zg_msg copy = { 0 };
        zg_append(&copy, request->msg.frame, request->msg.count);
        if (send_to(worker, &copy))
            worker->request = request;
        else
            TAILQ_INSERT_HEAD(&orphans, request, next);
    }
}

/* Without a worker: read requests, and drop the oldest beyond MAX_WAITING. */
static void hold_requests(void)
{
    struct request *request;

    for (int n = 0; n < BATCH && worker_count == 0; n++) {
        if ((request = receive_request()) == NULL)
            break;
        TAILQ_INSERT_HEAD(&waiting, request, next);
        if (++waiting_count > MAX_WAITING) {
            fprintf(stderr, "W: dropped the oldest of %d waiting requests\n",
                    MAX_WAITING);
            request = TAILQ_LAST(&waiting, request_list);
            TAILQ_REMOVE(&waiting, request, next);
            waiting_count--;
            free_request(request);
        }
    }
}

/* Remove workers that have expired, and send a heartbeat to the others. Count
 * intervals, not ms: after a freeze of this process, a clock would expire all
 * workers although their heartbeats wait in the socket. */
static void heartbeat(void)
{
    struct worker *worker, *next;

    for (worker = TAILQ_FIRST(&workers); worker != NULL; worker = next) {
        zg_msg msg = { 0 };
        next = TAILQ_NEXT(worker, next);
        if (worker->silent == liveness) {
            remove_worker(worker, "silent");
        } else {
            worker->silent++;
            zg_insert(&msg, 0, PPP_HEARTBEAT, 1);
            send_to(worker, &msg);
        }
    }
}

static void *router(const char *name, void *ctx, const char *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_ROUTER);

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(sock, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    zg_bind(sock, name, endpoint);
    return sock;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    int64_t interval = zg_number('i');
    liveness = zg_number('l');
    if (interval == 0 || liveness == 0)
        zg_usage_error();
    void *ctx = zg_start();
    frontend = router("frontend", ctx, zg_value[0]);
    backend = router("backend", ctx, zg_value[1]);
    zmq_pollitem_t items[] = { { backend, 0, ZMQ_POLLIN, 0 },
                               { frontend, 0, ZMQ_POLLIN, 0 } };
    int64_t heartbeat_at = zg_now() + interval;
    zg_msg msg = { 0 };
    bool reads_requests = true; /* false while all workers are busy */

    while (zg_poll(items, reads_requests ? 2 : 1, heartbeat_at) != -1) {
        for (int n = 0; n < BATCH && zg_recv(&msg, backend, ZMQ_DONTWAIT); n++)
            from_worker(&msg);
        if (zg_now() >= heartbeat_at) {
            heartbeat();
            heartbeat_at = zg_now() + interval;
        }
        dispatch();
        hold_requests();
        reads_requests = find_idle() != NULL || worker_count == 0;
    }
    zg_clear(&msg);
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
