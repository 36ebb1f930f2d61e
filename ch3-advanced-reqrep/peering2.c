/* SPDX-License-Identifier: 0BSD */
/* peering2.c - broker that gives one in five requests of its clients to a peer.
 *
 *     REQ clients ---> ROUTER localfe         cloudfe ROUTER <--- other brokers
 *                          peering2 SELF (this)
 *     REQ workers ---> ROUTER localbe         cloudbe ROUTER ---> other brokers
 *
 * The broker gives a client's request to a worker of the same cluster or, at
 * random, to a peer. A peer's request always goes to a worker. Each ROUTER puts
 * the routing id of the sender in front of a request, and the reply returns by
 * these ids:
 *     received                         sent
 *     localfe [client][][body]         localbe [worker][][client][][body]
 *                                   or cloudbe [peer][client][][body]
 *     cloudfe [peer][client][][body]   localbe [worker][][peer][client][][body]
 * A ROUTER can address only peers whose id it knows, so each broker sets its
 * name as the routing id of its cloud sockets.
 *
 * A request for a peer that is not connected goes to a worker here. A request
 * is lost if the worker or broker that has it dies or freezes: its client times
 * out and sends a new one. The broker reads no request while it has no idle
 * worker, although a peer could serve it: peering3.c removes this limit.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/peering2.c -o peering2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/peering2 me you & bin/peering2 you me
 *     I: localfe bound to ipc://...-localfe.ipc
 *     Worker: HELLO
 *     Client: OK
 *
 * Guide: chapter 3, "Prototyping the Local and Cloud Flows".
 */
#include "peering.h"

static const char usage[] =
    "peering2 [-c N] [-w N] [-t MS] [-s SEED] SELF [PEER...]\n"
    "Gives requests to its own workers and one in five to another broker.\n"
    "  -c N     clients (10)\n"
    "  -w N     workers (3)\n"
    "  -t MS    timeout of a client's request (10000)\n"
    "  -s SEED  of the random choices\n"
    "  SELF     name of this cluster\n"
    "  PEER...  names of the other clusters\n"
    "Peers: peering2 PEER SELF\n";

enum {
    MAX_THREADS = 400,
    BATCH = 100, /* messages from one socket in a row */
    /* In a client's request. A worker's reply may add [worker][][peer]. */
    MAX_FRAMES = ZG_MAX_RECV - 3,
};

static void *ctx, *localfe, *localbe, *cloudfe, *cloudbe;
static char **peers;
static int peer_count;
static long timeout;

/* The next request by origin: [client][][body...] or [peer][client][][body...].
 * Brokers in other languages send [peer][][client][][body...]; a worker returns
 * that envelope unchanged. */
enum origin { CLIENT, PEER };
static zg_msg request[2];

/* Send a request and print its reply. The socket serves one request, so that a
 * late reply cannot be mistaken for that of the next. False on shutdown. */
static bool send_request(void)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zmq_pollitem_t item = { sock, 0, ZMQ_POLLIN, 0 };
    zg_msg msg = { 0 };
    char text[64];

    zg_set(sock, ZMQ_LINGER, 0);
    connect_part(sock, zg_value[0], "localfe");
    zmq_send(sock, "HELLO", 5, 0);
    int ready = zg_poll(&item, 1, zg_now() + timeout);
    if (ready == 1 && zg_recv(&msg, sock, 0) && msg.count > 0)
        printf("Client: %s\n", zg_text(&msg.frame[0], text, sizeof text));
    else if (ready == 0)
        fprintf(stderr, "W: no reply within %ld ms\n", timeout);
    bool running = ready != -1 && zg_sleep(sock, 1000);
    zg_clear(&msg);
    zmq_close(sock);
    return running;
}

static void *client(void *arg)
{
    while (send_request())
        continue;
    return arg;
}

/* Answer [envelope...][][HELLO] with [envelope...][][OK]. */
static void *worker(void *arg)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };
    char text[64];

    connect_part(sock, zg_value[0], "localbe");
    zmq_send(sock, "\001", 1, 0); /* READY */
    while (zg_recv(&msg, sock, 0) && msg.count > 0) {
        zmq_msg_t *body = &msg.frame[msg.count - 1];
        printf("Worker: %s\n", zg_text(body, text, sizeof text));
        zg_cut(&msg, msg.count - 1);
        zg_insert(&msg, msg.count, "OK", 2);
        zg_send(&msg, sock, 0);
    }
    zg_clear(&msg);
    zmq_close(sock);
    return arg;
}

/* [worker][][01] registers a worker. Each later message is a reply,
 * [worker][][client][][reply...] or [worker][][peer][client][][reply...]. Its
 * sender is idle after any message: a REQ worker that has sent waits. */
static void from_worker(zg_msg *msg)
{
    bool ready = msg->count == 3 && zg_is(msg, 1, "") && zg_is(msg, 2, "\001");
    bool reply = zg_is(msg, 1, "") && zg_delimiter(msg, 3) > 0;

    add_idle(&msg->frame[0]);
    if (reply) {
        /* The first frame now names a connected peer or a client. */
        zg_pop(msg, 2);
        bool sent = zg_send(msg, cloudfe, ZMQ_DONTWAIT);
        if (!sent && errno == EHOSTUNREACH)
            sent = zg_send(msg, localfe, ZMQ_DONTWAIT);
        if (!sent)
            report_unsent();
    } else if (!ready) {
        zg_drop(msg, "a worker");
    }
}

/* [peer][client][][reply...] */
static void from_peer(zg_msg *msg)
{
    if (zg_delimiter(msg, 2) > 0) {
        zg_pop(msg, 1);
        if (!zg_send(msg, localfe, ZMQ_DONTWAIT))
            report_unsent();
    } else {
        zg_drop(msg, "a peer");
    }
}

/* Read a request of this origin unless one is held. True if one is held now. */
static bool fetch_request(enum origin origin)
{
    zg_msg *msg = &request[origin];
    int most = origin == PEER ? MAX_FRAMES + 1 : MAX_FRAMES; /* [peer] */

    if (msg->count > 0)
        return true;
    if (!zg_recv(msg, origin == PEER ? cloudfe : localfe, ZMQ_DONTWAIT))
        return false;
    if (zg_delimiter(msg, 1) == 0 || msg->count > most)
        zg_drop(msg, origin == PEER ? "a peer" : "a client");
    return msg->count > 0;
}

/* Send [peer][client][][body...]. Keep the request if that peer is not
 * connected. */
static void send_to_peer(const char *peer)
{
    zg_msg *msg = &request[CLIENT];

    zg_insert(msg, 0, peer, strlen(peer));
    if (!zg_send(msg, cloudbe, ZMQ_DONTWAIT))
        zg_pop(msg, 1);
}

/* Send [worker][] and the request to the first reachable idle worker. */
static void send_to_worker(zg_msg *msg)
{
    while (msg->count > 0 && idle_count > 0) {
        zg_insert(msg, 0, "", 0);
        zg_insert(msg, 0, zmq_msg_data(&idle[oldest]),
                  zmq_msg_size(&idle[oldest]));
        if (!zg_send(msg, localbe, ZMQ_DONTWAIT))
            zg_pop(msg, 2);
        remove_oldest();
    }
}

/* Send one request of a client in five to a peer, chosen at random, and all
 * others to a worker. */
static void route(enum origin origin)
{
    if (origin == CLIENT && peer_count > 0 && random() % 5 == 0)
        send_to_peer(peers[random() % peer_count]);
    send_to_worker(&request[origin]);
}

/* Route requests of clients and of peers in turn, while a worker is idle. */
static void route_requests(void)
{
    static enum origin last = CLIENT;

    while (idle_count > 0) {
        enum origin other = last == CLIENT ? PEER : CLIENT;
        if (fetch_request(other))
            last = other;
        else if (!fetch_request(last))
            break;
        route(last);
    }
}

/* Read requests only while a worker is idle. */
static void run(void)
{
    zmq_pollitem_t items[] = { { localbe, 0, ZMQ_POLLIN, 0 },
                               { cloudbe, 0, ZMQ_POLLIN, 0 },
                               { localfe, 0, ZMQ_POLLIN, 0 },
                               { cloudfe, 0, ZMQ_POLLIN, 0 } };
    zg_msg msg = { 0 };

    while (zg_poll(items, idle_count > 0 ? 4 : 2, ZG_FOREVER) != -1) {
        for (int n = 0; n < BATCH && zg_recv(&msg, localbe, ZMQ_DONTWAIT); n++)
            from_worker(&msg);
        for (int n = 0; n < BATCH && zg_recv(&msg, cloudbe, ZMQ_DONTWAIT); n++)
            from_peer(&msg);
        route_requests();
    }
    zg_clear(&msg);
    zg_clear(&request[CLIENT]);
    zg_clear(&request[PEER]);
    while (idle_count > 0)
        remove_oldest();
}

static void open_sockets(void)
{
    localfe = router_socket(ctx);
    localbe = router_socket(ctx);
    bind_part(localfe, zg_value[0], "localfe");
    bind_part(localbe, zg_value[0], "localbe");
    cloudfe = cloud_socket(ctx, zg_value[0]);
    cloudbe = cloud_socket(ctx, zg_value[0]);
    bind_part(cloudfe, zg_value[0], "cloud");
    for (; peers[peer_count] != NULL; peer_count++)
        connect_part(cloudbe, peers[peer_count], "cloud");
}

int main(int argc, char *argv[])
{
    char **names = zg_args(argc, argv, usage);
    pthread_t threads[MAX_THREADS];
    long clients = zg_number('c'), thread_count = clients + zg_number('w');

    timeout = zg_number('t');
    if (thread_count > MAX_THREADS || timeout == 0 || names[0] == NULL)
        zg_usage_error();
    check_names(names);
    peers = names + 1;
    ctx = zg_start();
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    open_sockets();
    for (int i = 0; i < thread_count; i++)
        threads[i] = zg_thread(i < clients ? client : worker, NULL);
    run();
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    zmq_close(localfe);
    zmq_close(localbe);
    zmq_close(cloudfe);
    zmq_close(cloudbe);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
