/* SPDX-License-Identifier: 0BSD */
/* tripping.c - measures round trips per second, one at a time and many at once.
 *
 *     DEALER client ---> DEALER broker DEALER <--- DEALER worker
 *                         5555         5556
 *     (this runs all three, one thread each)
 *
 * First the client waits for each reply before it sends the next request. Then
 * it keeps a window of requests under way (-o). Both send the same messages;
 * the difference is the time spent waiting. Without a window the client would
 * send all requests before it reads a reply, and all four sockets would be
 * full.
 *
 * The messages carry no ids, so other peers at these endpoints would take some
 * requests and replies: do not let any connect.
 *
 * Build: cc -Icommon ch4-reliability/tripping.c -o tripping -lzmq -lpthread
 *
 * Try it:
 *     $ bin/tripping -n 10000
 *     I: frontend bound to tcp://127.0.0.1:5555
 *     I: backend bound to tcp://127.0.0.1:5556
 *     Synchronous: ... calls/second
 *     Asynchronous: ... calls/second
 *
 * Guide: chapter 4, "Asynchronous Majordomo Pattern".
 */
#include "zg.h"

static const char usage[] =
    "tripping [-n COUNT] [-z BYTES] [-o N] [FRONTEND [BACKEND]]\n"
    "Measures round trips per second, one at a time and many at once.\n"
    "  -n COUNT  round trips, and a tenth of that one at a time (100000)\n"
    "  -z BYTES  size of a request (5)\n"
    "  -o N      requests without a reply, at most (1000)\n"
    "  FRONTEND  bind (tcp://127.0.0.1:5555)\n"
    "  BACKEND   bind (tcp://127.0.0.1:5556)\n"
    "Peers: none needed\n";

enum { REPLY_TIMEOUT_MS = 5000 };

static void *ctx, *frontend, *backend;
static char hello[1 << 20] = "hello";

static void *broker(void *arg)
{
    zmq_proxy(frontend, backend, NULL);
    return arg;
}

static void *worker(void *socket)
{
    zg_msg msg = { 0 };

    while (zg_recv(&msg, socket, 0) && zg_send(&msg, socket, 0))
        continue;
    zg_clear(&msg);
    return socket;
}

/* Make `count` round trips, up to `window` at once, and print their rate. False
 * if a reply was lost (EAGAIN), or on shutdown (ETERM). */
static bool measure(const char *how, void *client, long count, long window)
{
    long sent = 0, received = 0, size = zg_number('z');
    int64_t from = zg_now(), took;
    zg_msg msg = { 0 };

    while (received < count) {
        while (sent < count && sent - received < window
               && zmq_send(client, hello, (size_t) size, ZMQ_DONTWAIT) != -1)
            sent++;
        if (!zg_recv(&msg, client, 0))
            return false;
        received++;
    }
    zg_clear(&msg);
    took = zg_now() - from;
    printf("%s: %ld calls/second\n", how,
           count * 1000 / (long) (took > 0 ? took : 1));
    return true;
}

/* Return a DEALER that is connected to the bound socket. */
static void *connect_to(void *bound)
{
    void *socket = zg_socket(ctx, ZMQ_DEALER);
    char endpoint[256];
    size_t size = sizeof endpoint;

    zg_must(zmq_getsockopt(bound, ZMQ_LAST_ENDPOINT, endpoint, &size));
    zg_connect(socket, endpoint);
    return socket;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), window = zg_number('o');
    if (zg_number('z') > (long) sizeof hello || window == 0)
        zg_usage_error();
    ctx = zg_start();
    frontend = zg_socket(ctx, ZMQ_DEALER);
    backend = zg_socket(ctx, ZMQ_DEALER);
    zg_bind(frontend, "frontend", zg_value[0]);
    zg_bind(backend, "backend", zg_value[1]);
    void *client = connect_to(frontend), *service = connect_to(backend);
    pthread_t broker_thread = zg_thread(broker, NULL);
    pthread_t worker_thread = zg_thread(worker, service);

    zg_set(client, ZMQ_RCVTIMEO, REPLY_TIMEOUT_MS);
    bool lost = !(measure("Synchronous", client, count / 10, 1)
                  && measure("Asynchronous", client, count, window))
                && errno != ETERM;
    if (lost)
        fprintf(stderr, "E: a reply was lost\n");
    zmq_ctx_shutdown(ctx); /* ends both threads */
    pthread_join(broker_thread, NULL);
    pthread_join(worker_thread, NULL);
    zmq_close(client);
    zmq_close(service);
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return lost;
}
