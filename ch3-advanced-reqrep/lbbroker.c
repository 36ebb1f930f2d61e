/* SPDX-License-Identifier: 0BSD */
/* lbbroker.c - load-balancing broker: gives each request to an idle worker.
 *
 *     REQ client --+                                    +--> REQ worker
 *     REQ client --+--> ROUTER lbbroker (this) ROUTER --+--> REQ worker
 *     REQ client --+  frontend.ipc       backend.ipc    +--> REQ worker
 *
 * A worker registers with READY. From then on each of its replies also means
 * that it is idle again. The broker queues idle workers; the worker that has
 * been idle longest receives the next request. While no worker is idle, the
 * broker does not read the frontend, so requests wait in the sockets.
 *
 * A request is lost if its worker dies before it replies: see ppqueue.c and
 * mdbroker.c. While there is no worker, requests wait without a time limit, and
 * clients that retry fill the queues of libzmq: see spqueue.c. A worker that
 * registers while 1000 are idle is ignored.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/lbbroker.c -o lbbroker -lzmq -lpthread
 *
 * Try it:
 *     $ bin/lbbroker -c 2
 *     I: frontend bound to ipc://frontend.ipc
 *     I: backend bound to ipc://backend.ipc
 *     Worker: HELLO
 *     Client: OK
 *     Client: OK
 *
 * Guide: chapter 3, "The Load Balancing Pattern".
 */
#include "zg.h"

static const char usage[] =
    "lbbroker [-c N] [-w N] [FRONTEND [BACKEND]]\n"
    "Balances the requests of clients over idle workers.\n"
    "  -c N      clients to run, 0: serve others until stopped (10)\n"
    "  -w N      workers to run (3)\n"
    "  FRONTEND  bind for clients (ipc://frontend.ipc)\n"
    "  BACKEND   bind for workers (ipc://backend.ipc)\n"
    "Peers: none needed\n";

enum {
    MAX_THREADS = 400,
    MAX_IDLE = 1000,
    BATCH = 100,                  /* messages from one side in a row */
    MAX_FRAMES = ZG_MAX_RECV - 2, /* a worker's reply has [worker][] more */
};

static void *ctx, *frontend, *backend;

/* The routing ids of idle workers, longest idle first, in a ring buffer. */
static zmq_msg_t idle[MAX_IDLE];
static int oldest, idle_count;

static void add_idle(zmq_msg_t *id)
{
    for (int n = 0; n < idle_count; n++)
        if (zg_equal(id, &idle[(oldest + n) % MAX_IDLE]))
            return;
    if (idle_count == MAX_IDLE) {
        fprintf(stderr, "W: worker ignored, %d are idle already\n", MAX_IDLE);
        return;
    }
    zmq_msg_t *slot = &idle[(oldest + idle_count++) % MAX_IDLE];
    zmq_msg_init(slot);
    zmq_msg_copy(slot, id);
}

static void remove_oldest(void)
{
    zmq_msg_close(&idle[oldest]);
    oldest = (oldest + 1) % MAX_IDLE;
    idle_count--;
}

/* [worker][][READY] or [worker][][client][][reply...]. Drop any other message,
 * but mark its sender idle: a REQ worker that has sent waits for a request. */
static void from_worker(zg_msg *msg)
{
    bool ready = msg->count == 3 && zg_is(msg, 1, "") && zg_is(msg, 2, "READY");
    bool reply = zg_is(msg, 1, "") && zg_delimiter(msg, 3) > 0;

    add_idle(&msg->frame[0]);
    if (reply) {
        zg_pop(msg, 2);
        if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno != ETERM)
            fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
    } else if (!ready) {
        zg_drop(msg, "a worker");
    }
}

/* Read the next request, [client][][body...], unless one is held because no
 * worker could be reached. True if one is held now. */
static bool next_request(zg_msg *request)
{
    if (request->count > 0)
        return true;
    if (!zg_recv(request, frontend, ZMQ_DONTWAIT))
        return false;
    if (zg_delimiter(request, 1) == 0 || request->count > MAX_FRAMES)
        zg_drop(request, "a client");
    return request->count > 0;
}

/* Send [worker][][client][][body...]. A worker that has disconnected cannot be
 * reached (ZMQ_ROUTER_MANDATORY): try the next one. */
static void dispatch(zg_msg *request)
{
    while (request->count > 0 && idle_count > 0) {
        zg_insert(request, 0, "", 0);
        zg_insert(request, 0, zmq_msg_data(&idle[oldest]),
                  zmq_msg_size(&idle[oldest]));
        if (!zg_send(request, backend, ZMQ_DONTWAIT))
            zg_pop(request, 2);
        remove_oldest();
    }
}

static void *broker(void *arg)
{
    zmq_pollitem_t items[] = { { backend, 0, ZMQ_POLLIN, 0 },
                               { frontend, 0, ZMQ_POLLIN, 0 } };
    zg_msg msg = { 0 }, request = { 0 };

    while (zg_poll(items, idle_count > 0 ? 2 : 1, ZG_FOREVER) != -1) {
        for (int n = 0; n < BATCH && zg_recv(&msg, backend, ZMQ_DONTWAIT); n++)
            from_worker(&msg);
        for (int n = 0; n < BATCH && idle_count > 0 && next_request(&request);
             n++)
            dispatch(&request);
    }
    while (idle_count > 0)
        remove_oldest();
    zg_clear(&msg);
    zg_clear(&request);
    return arg;
}

/* Send one request and print the reply. */
static void *client(void *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };
    char text[64];

    zg_connect(sock, endpoint);
    if (zmq_send(sock, "HELLO", 5, 0) != -1 && zg_recv(&msg, sock, 0)
        && msg.count > 0)
        printf("Client: %s\n", zg_text(&msg.frame[0], text, sizeof text));
    zg_clear(&msg);
    zmq_close(sock);
    return NULL;
}

/* Answer each [client][][HELLO] with [client][][OK]. */
static void *worker(void *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };
    char text[64];

    zg_connect(sock, endpoint);
    zmq_send(sock, "READY", 5, 0);
    while (zg_recv(&msg, sock, 0) && msg.count > 0) {
        zmq_msg_t *body = &msg.frame[msg.count - 1];
        printf("Worker: %s\n", zg_text(body, text, sizeof text));
        zg_cut(&msg, msg.count - 1);
        zg_insert(&msg, msg.count, "OK", 2);
        zg_send(&msg, sock, 0);
    }
    zg_clear(&msg);
    zmq_close(sock);
    return NULL;
}

/* Return a bound ROUTER, and store its endpoint with the actual port. */
static void *bind_router(const char *name, const char *endpoint,
                         char bound[256])
{
    void *sock = zg_socket(ctx, ZMQ_ROUTER);
    size_t size = 256;

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(sock, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    zg_bind(sock, name, endpoint);
    zg_must(zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, bound, &size));
    return sock;
}

int main(int argc, char *argv[])
{
    char front[256], back[256];
    pthread_t threads[MAX_THREADS + 1];

    zg_args(argc, argv, usage);
    long clients = zg_number('c'), thread_count = clients + zg_number('w');
    if (thread_count > MAX_THREADS)
        zg_usage_error();
    ctx = zg_start();
    frontend = bind_router("frontend", zg_value[0], front);
    backend = bind_router("backend", zg_value[1], back);
    for (int i = 0; i < thread_count; i++)
        threads[i] =
            i < clients ? zg_thread(client, front) : zg_thread(worker, back);
    threads[thread_count] = zg_thread(broker, NULL);
    for (long i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    if (clients > 0)
        zmq_ctx_shutdown(ctx); /* all clients have ended */
    for (long i = clients; i <= thread_count; i++)
        pthread_join(threads[i], NULL);
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
