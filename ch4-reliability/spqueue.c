/* SPDX-License-Identifier: 0BSD */
/* spqueue.c - Simple Pirate queue: gives each request to an idle worker.
 *
 *     REQ lpclients ---> ROUTER spqueue ROUTER <--- REQ spworkers
 *                   5555    (this)        5556
 *
 * The first message of a worker registers it, and each of its replies means
 * that it is idle again. The queue gives a request to the worker that has been
 * idle longest.
 *
 * While all workers are busy the queue reads no requests, so they wait in the
 * sockets. If no worker is idle and none has sent anything for five seconds,
 * the queue reads requests and keeps the newest 1000. If it did not read them,
 * each retry would add a message to the receive pipes of the frontend. The
 * queue serves the newest first, since the clients of older ones have probably
 * sent again.
 *
 * An idle worker that has disconnected costs nothing: the next one receives the
 * request. The request of a busy worker that dies is lost. Idle workers are
 * lost when the queue restarts. ppqueue.c recovers both.
 *
 * Build: cc -Icommon ch4-reliability/spqueue.c -o spqueue -lzmq -lpthread
 * Try it: see spworker.c.
 *
 * Guide: chapter 4, "Basic Reliable Queuing (Simple Pirate Pattern)".
 */
#include "zg.h"

static const char usage[] =
    "spqueue [FRONTEND [BACKEND]]\n"
    "Gives the requests of clients to idle workers.\n"
    "  FRONTEND  bind for clients (tcp://127.0.0.1:5555)\n"
    "  BACKEND   bind for workers (tcp://127.0.0.1:5556)\n"
    "Peers: spworker BACKEND, lpclient FRONTEND\n";

enum {
    CAPACITY = 1000,              /* of a ring */
    MAX_FRAMES = ZG_MAX_RECV - 2, /* in a request, which gets two more */
    BATCH = 100,                  /* messages from one side in a row */
    ABSENT_MS = 5000, /* without a message from any worker: none is there */
};

/* Messages in the order in which they came, in a ring buffer. */
struct ring {
    int oldest, count;
    zg_msg slot[CAPACITY];
};

/* In idle, a message is one frame, the routing id of a worker. In waiting, it
 * is a request that waits for the first worker. */
static struct ring idle, waiting;
static void *frontend, *backend;
static int64_t absent_at; /* if no worker sends until then, none is there */

/* Return an item, counted from the oldest. */
static zg_msg *item(struct ring *ring, int n)
{
    return &ring->slot[(ring->oldest + n) % CAPACITY];
}

static void move(zg_msg *to, zg_msg *from)
{
    zg_clear(to);
    zg_append(to, from->frame, from->count);
    zg_clear(from);
}

/* Move the oldest item into msg. False if the ring is empty. */
static bool take_oldest(struct ring *ring, zg_msg *msg)
{
    if (ring->count == 0)
        return false;
    move(msg, item(ring, 0));
    ring->oldest = (ring->oldest + 1) % CAPACITY;
    ring->count--;
    return true;
}

/* Move the newest item into msg. False if the ring is empty. */
static bool take_newest(struct ring *ring, zg_msg *msg)
{
    if (ring->count == 0)
        return false;
    move(msg, item(ring, --ring->count));
    return true;
}

/* Add n frames as the newest item of a ring that is not full. */
static void put(struct ring *ring, zmq_msg_t *frames, int n)
{
    zg_append(item(ring, ring->count), frames, n);
    ring->count++;
}

/* ---- Messages from workers and clients ----------------------------------- */

/* Add a worker to the idle ones, if it is not one of them. */
static void set_idle(zmq_msg_t *id)
{
    for (int n = 0; n < idle.count; n++)
        if (zg_equal(id, &item(&idle, n)->frame[0]))
            return;
    if (idle.count < CAPACITY)
        put(&idle, id, 1);
    else
        fprintf(stderr, "W: refused a worker: %d are idle\n", CAPACITY);
}

/* [worker][][READY] or [worker][][client][][reply...]. Any message makes the
 * worker idle; workers in other languages send another word than READY. */
static void from_worker(zg_msg *msg)
{
    bool ready = msg->count == 3 && zg_is(msg, 1, "");
    bool reply = zg_is(msg, 1, "") && zg_delimiter(msg, 3) > 0;

    absent_at = zg_now() + ABSENT_MS;
    set_idle(&msg->frame[0]);
    if (reply) {
        zg_pop(msg, 2);
        if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno != ETERM)
            fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
    } else if (!ready) {
        zg_drop(msg, "a worker");
    }
}

/* Receive a request from a client: [client][][body...]. False if no message has
 * arrived, or a malformed one. */
static bool receive_request(zg_msg *request)
{
    if (!zg_recv(request, frontend, ZMQ_DONTWAIT))
        return false;
    if (zg_delimiter(request, 1) == 0 || request->count > MAX_FRAMES)
        zg_drop(request, "a client");
    return request->count > 0;
}

/* ---- While no worker is there -------------------------------------------- */

static bool no_worker(void)
{
    return idle.count == 0 && zg_now() >= absent_at;
}

/* Keep a request until there is a worker. The newest 1000 are kept. */
static void hold(zg_msg *request)
{
    zg_msg oldest = { 0 };

    if (waiting.count == CAPACITY) {
        fprintf(stderr, "W: dropped the oldest of %d waiting requests\n",
                CAPACITY);
        take_oldest(&waiting, &oldest);
        zg_clear(&oldest);
    }
    put(&waiting, request->frame, request->count);
}

/* ---- Dispatch ------------------------------------------------------------ */

/* Take the newest request: one in the socket is newer than all that have been
 * read. False if there is none. */
static bool next_request(zg_msg *request)
{
    return receive_request(request) || take_newest(&waiting, request);
}

/* Send [worker][][client][][body...]. A worker that has disconnected cannot be
 * reached (ZMQ_ROUTER_MANDATORY): try the next one. */
static void dispatch(zg_msg *request)
{
    zg_msg msg = { 0 };
    bool sent = false;

    while (!sent && take_oldest(&idle, &msg)) {
        zg_insert(&msg, 1, "", 0);
        zg_append(&msg, request->frame, request->count);
        sent = zg_send(&msg, backend, ZMQ_DONTWAIT);
        if (!sent && errno != ETERM)
            fprintf(stderr, "W: removed an idle worker: %s\n",
                    zmq_strerror(errno));
    }
    if (!sent)
        hold(request);
    zg_clear(&msg);
}

/* ---- Start and stop ------------------------------------------------------ */

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
    void *ctx = zg_start();
    frontend = router("frontend", ctx, zg_value[0]);
    backend = router("backend", ctx, zg_value[1]);
    zmq_pollitem_t items[] = { { backend, 0, ZMQ_POLLIN, 0 },
                               { frontend, 0, ZMQ_POLLIN, 0 } };
    zg_msg msg = { 0 };
    bool reads_requests = true; /* false while all workers are busy */

    while (zg_poll(items, reads_requests ? 2 : 1,
                   reads_requests ? ZG_FOREVER : absent_at)
           != -1) {
        for (int n = 0; n < BATCH && zg_recv(&msg, backend, ZMQ_DONTWAIT); n++)
            from_worker(&msg);
        while (idle.count > 0 && next_request(&msg))
            dispatch(&msg);
        for (int n = 0; n < BATCH && no_worker() && receive_request(&msg); n++)
            hold(&msg);
        reads_requests = idle.count > 0 || no_worker();
    }
    zg_clear(&msg);
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
