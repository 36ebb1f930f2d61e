/* SPDX-License-Identifier: 0BSD */
/* asyncsrv.c - clients and a server that both talk whenever they like.
 *
 *     DEALER client --+             asyncsrv (this)           +-- DEALER worker
 *     DEALER client --+-- ROUTER --- proxy --- DEALER --------+-- DEALER worker
 *     DEALER client --+   5570                 inproc         +-- DEALER worker
 *
 * A client asks once a second, whatever has come back by then. To each request
 * a worker sends no, one or several replies. That is for DEALER and ROUTER: the
 * lock-step of REQ and REP knows neither two requests nor two replies. The id
 * that the ROUTER put in front of a request travels to the worker and back; so
 * the worker answers a client that it has never seen, as often as it wants.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/asyncsrv.c -o asyncsrv -lzmq -lpthread
 *
 * Try it:
 *     $ bin/asyncsrv -c 1
 *     I: server bound to tcp://127.0.0.1:5570
 *     ... request #...
 *
 * Guide: chapter 3, "The Asynchronous Client/Server Pattern".
 */
#include "zg.h"

static const char usage[] =
    "asyncsrv [-t MS] [-c N] [-w N] [-s SEED] [ENDPOINT]\n"
    "Asynchronous clients, and a server that answers each request 0 to 4 "
    "times.\n"
    "  -t MS     run time, 0: until stopped (5000)\n"
    "  -c N      clients of its own (3)\n"
    "  -w N      workers in the server (5)\n"
    "  -s SEED   for the number and the times of the replies\n"
    "  ENDPOINT  bind for clients (tcp://127.0.0.1:5570)\n"
    "Peers: none, it plays them all\n";

enum { MAX_THREADS = 400, ASK_EVERY_MS = 1000, MAX_REPLIES = 4 };

static void *ctx, *frontend, *backend;

/* Ask once a second, and in between print what comes: [text]. */
static void *client(void *endpoint)
{
    void *server = zg_socket(ctx, ZMQ_DEALER);
    zmq_pollitem_t item = { server, 0, ZMQ_POLLIN, 0 };
    char id[16], request[32], text[64];
    zg_msg reply = { 0 };
    int ready = 0, size;
    int64_t ask_at = zg_now() + ASK_EVERY_MS;

    size = sprintf(id, "%04lX-%04lX", random() & 0xffff, random() & 0xffff);
    zg_must(zmq_setsockopt(server, ZMQ_ROUTING_ID, id, (size_t) size));
    zg_connect(server, endpoint);
    for (int n = 1; ready != -1;) {
        if ((ready = zg_poll(&item, 1, ask_at)) == 1
            && zg_recv(&reply, server, 0) && reply.count > 0)
            printf("%s %s\n", id, zg_text(&reply.frame[0], text, sizeof text));
        if (zg_now() >= ask_at) {
            size = sprintf(request, "request #%d", n++);
            zmq_send(server, request, (size_t) size, ZMQ_DONTWAIT);
            ask_at += ASK_EVERY_MS;
        }
    }
    zg_clear(&reply);
    zmq_close(server);
    return NULL;
}

/* Send [client][text...] back, as often as the dice say, with pauses. */
static bool answer(void *server, zg_msg *request)
{
    for (long n = random() % (MAX_REPLIES + 1); n > 0; n--) {
        zg_msg reply = { 0 };

        if (!zg_sleep(server, random() % 1000 + 1))
            return false;
        for (; reply.count < request->count; reply.count++) {
            zmq_msg_init(&reply.frame[reply.count]);
            zmq_msg_copy(&reply.frame[reply.count],
                         &request->frame[reply.count]);
        }
        zg_send(&reply, server, 0);
        zg_clear(&reply);
    }
    return true;
}

static void *worker(void *arg)
{
    void *server = zg_socket(ctx, ZMQ_DEALER);
    zg_msg request = { 0 };

    zg_connect(server, "inproc://backend");
    while (zg_recv(&request, server, 0) && answer(server, &request))
        continue;
    zg_clear(&request);
    zmq_close(server);
    return arg;
}

static void *serve(void *arg)
{
    zmq_proxy(frontend, backend, NULL);
    return arg;
}

int main(int argc, char *argv[])
{
    pthread_t threads[MAX_THREADS + 1];
    char endpoint[256];
    size_t size = sizeof endpoint;

    zg_args(argc, argv, usage);
    long ms = zg_number('t'), workers = zg_number('w');
    long all = workers + zg_number('c');
    if (all > MAX_THREADS)
        zg_usage_error();
    ctx = zg_start();
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    frontend = zg_socket(ctx, ZMQ_ROUTER);
    backend = zg_socket(ctx, ZMQ_DEALER);
    void *timer = zg_socket(ctx, ZMQ_PAIR);
    zmq_pollitem_t item = { timer, 0, ZMQ_POLLERR, 0 };
    zg_must(zmq_bind(backend, "inproc://backend"));
    zg_bind(frontend, "server", zg_value[0]);
    zg_must(zmq_getsockopt(frontend, ZMQ_LAST_ENDPOINT, endpoint, &size));
    threads[all] = zg_thread(serve, NULL);
    for (int i = 0; i < all; i++)
        threads[i] =
            i < workers ? zg_thread(worker, NULL) : zg_thread(client, endpoint);
    zg_poll(&item, 1, ms > 0 ? zg_now() + ms : ZG_FOREVER);
    zmq_ctx_shutdown(ctx);
    for (int i = 0; i <= all; i++)
        pthread_join(threads[i], NULL);
    zmq_close(frontend);
    zmq_close(backend);
    zmq_close(timer);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
