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
    BATCH = 100,                  /* messages from one socket in a row */
    MAX_FRAMES = ZG_MAX_RECV - 3, /* in a request: its reply has three more */
};

static void *ctx, *localfe, *localbe, *cloudfe, *cloudbe;
static char **peers;
static int peer_count;
static long timeout;
static zg_msg request; /* the next one to be routed */
static enum origin request_origin;

/* Send a request once a second. Give up on a reply after `timeout`: close the
 * socket, so that a late reply cannot be mistaken for the next one. */
static void *client(void *arg)
{
    zg_msg msg = { 0 };
    char text[64];
    int ready;

    do {
        void *sock = zg_socket(ctx, ZMQ_REQ);
        zmq_pollitem_t item = { sock, 0, ZMQ_POLLIN, 0 };
        zg_set(sock, ZMQ_LINGER, 0);
        connect_part(sock, zg_value[0], "localfe");
        do {
            zmq_send(sock, "HELLO", 5, 0);
            ready = zg_poll(&item, 1, zg_now() + timeout);
            if (ready == 1 && zg_recv(&msg, sock, 0) && msg.count > 0)
                printf("Client: %s\n",
                       zg_text(&msg.frame[0], text, sizeof text));
            else if (ready == 0)
                fprintf(stderr, "W: a request was lost\n");
            if (!zg_sleep(sock, 1000))
                ready = -1;
        } while (ready == 1);
        zmq_close(sock);
    } while (ready == 0);
    zg_clear(&msg);
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

static void send_reply(zg_msg *msg, void *sock)
{
    if (!zg_send(msg, sock, ZMQ_DONTWAIT) && errno != ETERM)
        fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
}

/* [worker][][01] registers a worker. Each later message is a reply,
 * [worker][][client][][reply...] or [worker][][peer][client][][reply...]. */
static void from_worker(zg_msg *msg)
{
    enum origin origin = mark_idle(&msg->frame[0]);

    if (origin != NONE && zg_is(msg, 1, "") && zg_delimiter(msg, 3) > 0) {
        zg_pop(msg, 2);
        send_reply(msg, origin == PEER ? cloudfe : localfe);
    } else if (origin != NONE || msg->count != 3 || !zg_is(msg, 2, "\001")) {
        zg_drop(msg, "a worker");
    }
}

/* [peer][client][][reply...] */
static void from_peer(zg_msg *msg)
{
    if (zg_delimiter(msg, 2) > 0) {
        zg_pop(msg, 1);
        send_reply(msg, localfe);
    } else {
        zg_drop(msg, "a peer");
    }
}

/* Read the next request, alternately from clients and from peers:
 * [client][][body...] or [peer][client][][body...]. Brokers in other languages
 * add an empty frame behind [peer]; the worker returns it with the envelope. */
static bool next_request(void)
{
    static bool peers_turn;

    for (int i = 0; i < 2 && request.count == 0; i++) {
        peers_turn = !peers_turn;
        if (!zg_recv(&request, peers_turn ? cloudfe : localfe, ZMQ_DONTWAIT))
            continue;
        request_origin = peers_turn ? PEER : CLIENT;
        if (zg_delimiter(&request, 1) > 0
            && request.count <= MAX_FRAMES + peers_turn)
            return true;
        zg_drop(&request, peers_turn ? "a peer" : "a client");
    }
    return request.count > 0;
}

/* Send [peer][client][][body...]. */
static bool send_to_peer(const char *peer)
{
    zg_insert(&request, 0, peer, strlen(peer));
    if (zg_send(&request, cloudbe, ZMQ_DONTWAIT))
        return true;
    zg_pop(&request, 1);
    return false;
}

/* Send [worker][] and the request to the first reachable idle worker. */
static void send_to_worker(void)
{
    struct worker *worker;

    while (request.count > 0 && (worker = TAILQ_FIRST(&idle)) != NULL) {
        zg_insert(&request, 0, "", 0);
        zg_insert(&request, 0, zmq_msg_data(&worker->id),
                  zmq_msg_size(&worker->id));
        if (zg_send(&request, localbe, ZMQ_DONTWAIT)) {
            mark_busy(worker, request_origin);
        } else {
            zg_pop(&request, 2);
            remove_worker(worker);
        }
    }
}

static void route(void)
{
    if (request_origin == CLIENT && peer_count > 0 && random() % 5 == 0
        && send_to_peer(peers[random() % peer_count]))
        return;
    send_to_worker();
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
        for (int n = 0; n < BATCH && idle_count > 0 && next_request(); n++)
            route();
    }
    zg_clear(&msg);
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
    peers = zg_args(argc, argv, usage) + 1;
    pthread_t threads[MAX_THREADS];
    long clients = zg_number('c'), both = clients + zg_number('w');

    timeout = zg_number('t');
    if (both > MAX_THREADS || timeout == 0 || zg_value[0] == NULL)
        zg_usage_error();
    ctx = zg_start();
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    open_sockets();
    for (int i = 0; i < both; i++)
        threads[i] = zg_thread(i < clients ? client : worker, NULL);
    run();
    for (int i = 0; i < both; i++)
        pthread_join(threads[i], NULL);
    remove_all_workers();
    zg_clear(&request);
    zmq_close(localfe);
    zmq_close(localbe);
    zmq_close(cloudfe);
    zmq_close(cloudbe);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
