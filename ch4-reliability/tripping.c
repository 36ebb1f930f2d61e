/* SPDX-License-Identifier: 0BSD */
/* tripping.c - what a round trip costs, and what not to wait for it saves.
 *
 *     DEALER client ---> DEALER broker DEALER <--- DEALER worker
 *                         5555         5556
 *     (this plays all three, one thread each)
 *
 * First the client waits for each reply before it sends the next request, then
 * it keeps a window of them on their way. The work is the same; the difference
 * is waiting. (Without a window, sending all and then reading, it would stop
 * for ever as soon as all that is between the two ends is full.)
 *
 * There are no ids on this wire, so other peers on these ports get a share of
 * the requests and of the replies: keep them to yourself.
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
    "Counts round trips per second, one by one and many at once.\n"
    "  -n COUNT  round trips, a tenth of them one by one (100000)\n"
    "  -z BYTES  size of a request (5)\n"
    "  -o N      on their way at once (1000)\n"
    "  FRONTEND  bind (tcp://127.0.0.1:5555)\n"
    "  BACKEND   bind (tcp://127.0.0.1:5556)\n"
    "Peers: none, it plays them all\n";

enum { PATIENCE_MS = 5000 }; /* for a reply, before it is taken for lost */

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

/* So many calls, up to that many on their way. False: a reply is lost (errno is
 * EAGAIN), or we are to stop. */
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

/* A DEALER at the other end of one that is bound. */
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

    zg_set(client, ZMQ_RCVTIMEO, PATIENCE_MS);
    bool lost = !(measure("Synchronous", client, count / 10, 1)
                  && measure("Asynchronous", client, count, window))
                && errno != ETERM;
    if (lost)
        fprintf(stderr, "E: a reply is lost\n");
    zmq_ctx_shutdown(ctx); /* that ends the others */
    pthread_join(broker_thread, NULL);
    pthread_join(worker_thread, NULL);
    zmq_close(client);
    zmq_close(service);
    zmq_close(frontend);
    zmq_close(backend);
    zg_stop(ctx);
    return lost;
}
