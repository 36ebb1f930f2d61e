/* SPDX-License-Identifier: 0BSD */
/* asyncsrv.c - clients and a server that both send at any time.
 *
 *     DEALER client --+             asyncsrv (this)           +-- DEALER worker
 *     DEALER client --+-- ROUTER --- proxy --- DEALER --------+-- DEALER worker
 *     DEALER client --+   5570                 inproc         +-- DEALER worker
 *
 * A client sends a request every second, whether or not replies have arrived. A
 * worker sends 0 to 4 replies to each request. REQ and REP sockets cannot do
 * that: they alternate between one request and one reply. The ROUTER puts the
 * client's id in front of a request. The worker sends the id back with each
 * reply, so any worker can reply to any client, as often as it wants:
 *     [client][request]  ->  [client][request], 0 to 4 times
 *
 * zmq_proxy() silently drops a reply whose client has disconnected. It ends
 * when a send fails, so ZMQ_ROUTER_MANDATORY is not set here. A request is lost
 * with the worker that has it, and the client cannot know how many replies to
 * expect. mdcliapi2.c has one reply per request.
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
    "Runs clients, and a server that sends 0 to 4 replies to each request.\n"
    "  -t MS     run time, 0: until stopped (5000)\n"
    "  -c N      clients to run (3)\n"
    "  -w N      workers in the server (5)\n"
    "  -s SEED   of the random replies\n"
    "  ENDPOINT  bind for clients (tcp://127.0.0.1:5570)\n"
    "Peers: none needed\n";

enum { MAX_THREADS = 400, REQUEST_INTERVAL_MS = 1000, MAX_REPLIES = 4 };

static void *ctx, *frontend, *backend;

/* Send a request every second, and print each [reply] in between. */
static void *client(void *endpoint)
{
    void *server = zg_socket(ctx, ZMQ_DEALER);
    zmq_pollitem_t item = { server, 0, ZMQ_POLLIN, 0 };
    int64_t request_at = zg_now() + REQUEST_INTERVAL_MS;
    char id[16], text[64];
    zg_msg msg = { 0 };
    int ready, size;

    /* Set the id that it prints, so that traces show it too. */
    size = sprintf(id, "%04lX-%04lX", random() & 0xffff, random() & 0xffff);
    zg_must(zmq_setsockopt(server, ZMQ_ROUTING_ID, id, (size_t) size));
    zg_connect(server, endpoint);
    for (int n = 1; (ready = zg_poll(&item, 1, request_at)) != -1;) {
        if (ready == 1 && zg_recv(&msg, server, 0) && msg.count > 0)
            printf("%s %s\n", id, zg_text(&msg.frame[0], text, sizeof text));
        if (zg_now() >= request_at) {
            size = sprintf(text, "request #%d", n++);
            /* If the queue is full, this request is lost. */
            zmq_send(server, text, (size_t) size, ZMQ_DONTWAIT);
            request_at = zg_now() + REQUEST_INTERVAL_MS;
        }
    }
    zg_clear(&msg);
    zmq_close(server);
    return NULL;
}

/* Send [client][request...] back a random number of times. Sleep up to a second
 * before each reply. False on shutdown. */
static bool send_replies(void *server, zg_msg *request)
{
    for (long n = random() % (MAX_REPLIES + 1); n > 0; n--) {
        zg_msg reply = { 0 };

        if (!zg_sleep(server, random() % 1000 + 1))
            return false;
        zg_append(&reply, request->frame, request->count);
        zg_send(&reply, server, 0);
        zg_clear(&reply);
    }
    return true;
}

static void *worker(void *arg)
{
    void *server = zg_socket(ctx, ZMQ_DEALER);
    bool running = true;
    zg_msg msg = { 0 };

    zg_connect(server, "inproc://backend");
    while (running && zg_recv(&msg, server, 0))
        if (msg.count < 2)
            zg_drop(&msg, "a client");
        else
            running = send_replies(server, &msg);
    zg_clear(&msg);
    zmq_close(server);
    return arg;
}

/* Pass requests to the workers, round robin, and replies to the clients. */
static void *run_server(void *arg)
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
    long run_ms = zg_number('t'), workers = zg_number('w');
    long thread_count = workers + zg_number('c');
    if (thread_count > MAX_THREADS)
        zg_usage_error();
    ctx = zg_start();
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    frontend = zg_socket(ctx, ZMQ_ROUTER);
    backend = zg_socket(ctx, ZMQ_DEALER);
    void *stop = zg_socket(ctx, ZMQ_PAIR);
    zmq_pollitem_t item = { stop, 0, ZMQ_POLLERR, 0 };
    zg_set(frontend, ZMQ_ROUTER_HANDOVER, 1); /* accept restarted peers */
    zg_must(zmq_bind(backend, "inproc://backend"));
    zg_bind(frontend, "server", zg_value[0]);
    zg_must(zmq_getsockopt(frontend, ZMQ_LAST_ENDPOINT, endpoint, &size));
    threads[thread_count] = zg_thread(run_server, NULL);
    for (int i = 0; i < thread_count; i++)
        threads[i] =
            i < workers ? zg_thread(worker, NULL) : zg_thread(client, endpoint);
    zg_poll(&item, 1, run_ms > 0 ? zg_now() + run_ms : ZG_FOREVER);
    zmq_ctx_shutdown(ctx);
    for (int i = 0; i <= thread_count; i++)
        pthread_join(threads[i], NULL);
    zmq_close(frontend);
    zmq_close(backend);
    zmq_close(stop);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
