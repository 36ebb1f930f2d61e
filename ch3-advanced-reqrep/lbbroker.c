/* SPDX-License-Identifier: 0BSD */
/* lbbroker.c - a broker that gives each request to the worker longest free.
 *
 *     REQ client --+                                   +--> REQ worker
 *     REQ client --+--> ROUTER lbbroker (this) ROUTER --+--> REQ worker
 *     REQ client --+  frontend.ipc     backend.ipc     +--> REQ worker
 *
 * A worker's first message is READY, each later one the answer to a request:
 * both say that it is free, and it goes to the end of the line. While the line
 * is empty the broker does not read requests: they wait where they are.
 *
 * The broker keeps a copy of each request until it is answered. libzmq reports
 * the end of a connection by its file descriptor, and tells the descriptor of
 * each message; so it is known who is gone, and another gets the request.
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

#include <sys/queue.h>

static const char usage[] =
    "lbbroker [-c N] [-w N] [FRONTEND [BACKEND]]\n"
    "A broker between clients and workers, in order of becoming free.\n"
    "  -c N      clients of its own to serve, 0: until stopped (10)\n"
    "  -w N      workers of its own (3)\n"
    "  FRONTEND  bind for clients (ipc://frontend.ipc)\n"
    "  BACKEND   bind for workers (ipc://backend.ipc)\n"
    "Peers: none, it plays them all\n";

enum { MAX_THREADS = 400, MAX_FD = 4096, BATCH = 100 };

/* A worker is free, and in line, or has a request: [client][][body...]. When
 * it vanished with that, it is among the lost until another takes it over. */
struct worker {
    TAILQ_ENTRY(worker) link;
    zg_msg request;
    int fd;
    size_t id_size;
    char id[255];
};

static void *ctx, *frontend, *backend, *monitor;
static struct worker *by_fd[MAX_FD];
static TAILQ_HEAD(, worker) line = TAILQ_HEAD_INITIALIZER(line),
                            lost = TAILQ_HEAD_INITIALIZER(lost);

/* The worker with this connection is no more, or no more to be trusted. */
static void bury(int fd)
{
    struct worker *worker = fd >= 0 && fd < MAX_FD ? by_fd[fd] : NULL;

    if (worker == NULL)
        return;
    by_fd[fd] = NULL;
    if (worker->request.count > 0) {
        TAILQ_INSERT_TAIL(&lost, worker, link);
    } else {
        TAILQ_REMOVE(&line, worker, link);
        free(worker);
    }
}

/* Each event of the monitor: 16 bits what, 32 bits the descriptor. */
static void bury_the_dead(void)
{
    zg_msg event = { 0 };
    int32_t fd;

    while (zg_recv(&event, monitor, ZMQ_DONTWAIT)) {
        memcpy(&fd, (char *) zmq_msg_data(&event.frame[0]) + 2, sizeof fd);
        bury(fd);
    }
}

/* Who had this descriptor before is dead, if the monitor says so only now. */
static void enrol(int fd, zmq_msg_t *id)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL)
        zg_die("calloc");
    bury_the_dead();
    bury(fd);
    worker->fd = fd;
    worker->id_size = zmq_msg_size(id);
    memcpy(worker->id, zmq_msg_data(id), worker->id_size);
    by_fd[fd] = worker;
    TAILQ_INSERT_TAIL(&line, worker, link);
}

/* [worker][][READY], or [worker][][client][][reply...] to pass on. */
static void from_worker(zg_msg *msg)
{
    int last = msg->count - 1;
    int fd = last < 0 ? -1 : zmq_msg_get(&msg->frame[last], ZMQ_SRCFD);
    bool ready = msg->count == 3 && zg_is(msg, 1, "") && zg_is(msg, 2, "READY");
    bool reply = msg->count >= 5 && zg_is(msg, 1, "") && zg_is(msg, 3, "");

    if (fd < 0 || fd >= MAX_FD || !(ready || reply)) {
        zg_drop(msg, "a worker");
        bury(fd);
    } else if (ready || by_fd[fd] == NULL) {
        enrol(fd, &msg->frame[0]);
    } else if (by_fd[fd]->request.count > 0) {
        zg_clear(&by_fd[fd]->request);
        TAILQ_INSERT_TAIL(&line, by_fd[fd], link);
        zg_pop(msg);
        zg_pop(msg);
        if (!zg_send(msg, frontend, ZMQ_DONTWAIT))
            fprintf(stderr, "W: a client did not wait for its reply\n");
    }
}

/* Take over a request that was lost, or else read one. */
static bool find_request(struct worker *worker)
{
    struct worker *dead = TAILQ_FIRST(&lost);
    zg_msg *request = &worker->request;

    if (dead == NULL && zg_recv(request, frontend, ZMQ_DONTWAIT)) {
        if (request->count >= 3 && zg_is(request, 1, ""))
            return true;
        zg_drop(request, "a client");
        zg_clear(request);
    } else if (dead != NULL) {
        for (; request->count < dead->request.count; request->count++) {
            zmq_msg_init(&request->frame[request->count]);
            zmq_msg_move(&request->frame[request->count],
                         &dead->request.frame[request->count]);
        }
        zg_clear(&dead->request);
        TAILQ_REMOVE(&lost, dead, link);
        free(dead);
    }
    return request->count > 0;
}

/* Send [worker][] and a copy of its request: the copy shares the bytes. */
static bool assign(struct worker *worker)
{
    zg_msg msg = { 0 };

    for (; msg.count < worker->request.count; msg.count++) {
        zmq_msg_init(&msg.frame[msg.count]);
        zmq_msg_copy(&msg.frame[msg.count], &worker->request.frame[msg.count]);
    }
    zg_insert(&msg, 0, "", 0);
    zg_insert(&msg, 0, worker->id, worker->id_size);
    bool sent = zg_send(&msg, backend, ZMQ_DONTWAIT);
    zg_clear(&msg);
    return sent;
}

static void *broker(void *arg)
{
    zmq_pollitem_t items[] = {
        { backend, 0, ZMQ_POLLIN, 0 },
        { monitor, 0, ZMQ_POLLIN, 0 },
        { frontend, 0, ZMQ_POLLIN, 0 },
    };
    struct worker *worker;
    zg_msg msg = { 0 };

    while (zg_poll(items, TAILQ_EMPTY(&line) ? 2 : 3, ZG_FOREVER) != -1) {
        bury_the_dead();
        for (int n = 0; n < BATCH && zg_recv(&msg, backend, ZMQ_DONTWAIT); n++)
            from_worker(&msg);
        while ((worker = TAILQ_FIRST(&line)) != NULL && find_request(worker)) {
            TAILQ_REMOVE(&line, worker, link);
            if (!assign(worker))
                bury(worker->fd); /* the next one gets the request */
        }
    }
    for (int fd = 0; fd < MAX_FD; fd++)
        bury(fd);
    while ((worker = TAILQ_FIRST(&lost)) != NULL) {
        TAILQ_REMOVE(&lost, worker, link);
        zg_clear(&worker->request);
        free(worker);
    }
    zg_clear(&msg);
    return arg;
}

/* One request, one reply. */
static void *client(void *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };

    zg_must(zmq_connect(sock, endpoint));
    if (zmq_send(sock, "HELLO", 5, 0) != -1 && zg_recv(&msg, sock, 0))
        printf("Client: %.*s\n", ZG_TEXT(&msg, 0));
    zg_clear(&msg);
    zmq_close(sock);
    return NULL;
}

/* READY, and then each [client][][body] goes back as [client][][OK]. */
static void *work(void *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };

    zg_must(zmq_connect(sock, endpoint));
    zmq_send(sock, "READY", 5, 0);
    while (zg_recv(&msg, sock, 0)) {
        printf("Worker: %.*s\n", ZG_TEXT(&msg, msg.count - 1));
        zmq_msg_close(&msg.frame[--msg.count]);
        zg_insert(&msg, msg.count, "OK", 2);
        zg_send(&msg, sock, 0);
    }
    zg_clear(&msg);
    zmq_close(sock);
    return NULL;
}

static void *router(const char *name, const char *endpoint, char bound[256])
{
    void *sock = zg_socket(ctx, ZMQ_ROUTER);
    size_t size = 256;

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1);
    zg_bind(sock, name, endpoint);
    zg_must(zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, bound, &size));
    return sock;
}

int main(int argc, char *argv[])
{
    char front[256], back[256];
    pthread_t threads[MAX_THREADS + 1];

    zg_args(argc, argv, usage);
    long clients = zg_number('c'), both = clients + zg_number('w');
    if (both > MAX_THREADS)
        zg_misused();
    ctx = zg_start();
    frontend = router("frontend", zg_value[0], front);
    backend = router("backend", zg_value[1], back);
    zg_must(
        zmq_socket_monitor(backend, "inproc://end", ZMQ_EVENT_DISCONNECTED));
    monitor = zg_socket(ctx, ZMQ_PAIR);
    zg_must(zmq_connect(monitor, "inproc://end"));
    threads[both] = zg_thread(broker, NULL);
    for (int i = 0; i < both; i++)
        threads[i] =
            i < clients ? zg_thread(client, front) : zg_thread(work, back);
    for (int i = 0; i <= both; i++) {
        if (i == clients && clients > 0)
            zmq_ctx_shutdown(ctx); /* all are served */
        pthread_join(threads[i], NULL);
    }
    zmq_close(frontend);
    zmq_close(backend);
    zmq_close(monitor);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
