/* SPDX-License-Identifier: 0BSD */
/* peering3.c - clusters that help each other out when their workers are busy.
 *
 *     REQ clients ---> ROUTER localfe         cloudfe ROUTER <--- other brokers
 *                          peering3 SELF (this)
 *     REQ workers ---> ROUTER localbe         cloudbe ROUTER ---> other brokers
 *
 *     PUSH clients --> PULL monitor   state: PUB ---> and <--- SUB, as peering1
 *
 * A request is for a worker of this cluster. Only when none is free does it go
 * to the peer that has most of them: each tells how many, on change and once a
 * second. What was told is spent with each request that is sent, and is worth
 * nothing when it is three seconds old: then the peer is dead, frozen, or cut
 * off. A request that was lost with it is reported by its client, who goes on.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/peering3.c -o peering3 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/peering3 -s 1 DC1 DC2 & bin/peering3 DC2 DC1
 *     I: monitor bound to ipc://...-monitor.ipc
 *     DC...: ...
 *
 * Guide: chapter 3, "Putting it All Together".
 */
#include "zg.h"

#include "peering.h"

static const char usage[] =
    "peering3 [-c N] [-w N] [-t MS] [-i MS] [-s SEED] SELF [PEER...]\n"
    "A broker that sends to its peers what its own workers cannot do.\n"
    "  -c N     clients (10)\n"
    "  -w N     workers (5)\n"
    "  -t MS    how long a client waits for a reply (10000)\n"
    "  -i MS    interval of the state messages (1000)\n"
    "  -s SEED  for the load\n"
    "  SELF     name of this cluster\n"
    "  PEER...  names of the others\n"
    "Peers: peering3 PEER SELF\n";

enum { MAX_PEERS = 100, LIVENESS = 3 };

/* What a peer said last: how many workers it has free, and until when that
 * is to be believed. */
struct peer {
    long workers;
    int64_t expiry;
};

static struct broker broker;
static long patience, interval;
static struct peer peers[MAX_PEERS]; /* in the order of broker.peers */

/* Bursts of up to 14 requests, and up to 4 s of peace. What there is to say
 * goes to the monitor. */
static void *client(void *arg)
{
    void *sock = client_socket(&broker);
    void *monitor = zg_socket(broker.ctx, ZMQ_PUSH);
    zg_msg msg = { 0 };
    char task[8], line[80];
    int replied = 0;

    connect_to(monitor, (char *[]){ (char *) broker.name, NULL }, "monitor");
    while (replied != -1 && zg_sleep(sock, random() % 5 * 1000))
        for (long burst = random() % 15; replied != -1 && burst > 0; burst--) {
            sprintf(task, "%04lX", random() & 0xffff);
            replied = ask(&broker, &sock, task, patience, &msg);
            snprintf(line, sizeof line, "%s",
                     replied == 0           ? "E: lost task "
                     : zg_is(&msg, 0, task) ? ""
                                            : "E: wrong reply to task ");
            strcat(line, task);
            zmq_send(monitor, line, strlen(line), 0);
        }
    zg_clear(&msg);
    zmq_close(monitor);
    zmq_close(sock);
    return arg;
}

/* A task takes no time or a second; its reply is the same frames. */
static void *worker(void *arg)
{
    void *sock = worker_socket(&broker);
    zg_msg msg = { 0 };

    while (zg_recv(&msg, sock, 0) && zg_sleep(sock, random() % 2 * 1000))
        zg_send(&msg, sock, 0);
    zg_clear(&msg);
    zmq_close(sock);
    return arg;
}

/* [peer][free workers] */
static void from_peer(zg_msg *msg)
{
    long workers = free_workers(msg);

    for (int i = 0; workers >= 0 && broker.peers[i] != NULL; i++)
        if (zg_is(msg, 0, broker.peers[i])) {
            peers[i].workers = workers;
            peers[i].expiry = zg_now() + LIVENESS * interval;
            return;
        }
    zg_drop(msg, "a stranger");
}

/* The living peer with most workers free, or -1. */
static int best_peer(void)
{
    int best = -1;

    for (int i = 0; broker.peers[i] != NULL; i++)
        if (peers[i].workers > 0 && peers[i].expiry > zg_now()
            && (best == -1 || peers[i].workers > peers[best].workers))
            best = i;
    return best;
}

/* To a worker here, or else to a peer. Requests of peers stay here. */
static bool place(void)
{
    int peer;

    if (to_worker(&broker))
        return true;
    while (zg_is(&broker.request, 1, "") && (peer = best_peer()) != -1) {
        if (to_peer(&broker, broker.peers[peer])) {
            peers[peer].workers--;
            return true;
        }
        peers[peer].workers = 0; /* not there, or full: ask it no more */
    }
    return false;
}

/* Place requests for as long as there is somebody to do them. */
static void place_requests(void)
{
    bool found = true;

    while (found) {
        if (broker.request.count == 0)
            found = broker.free > 0     ? read_in_turn(&broker)
                    : best_peer() != -1 ? read_request(&broker, false)
                                        : false;
        found = found && place();
    }
}

static void run(void *statebe, void *statefe, void *monitor)
{
    zmq_pollitem_t items[] = {
        { broker.localbe, 0, ZMQ_POLLIN, 0 },
        { broker.cloudbe, 0, ZMQ_POLLIN, 0 },
        { statefe, 0, ZMQ_POLLIN, 0 },
        { monitor, 0, ZMQ_POLLIN, 0 },
        { broker.localfe, 0, ZMQ_POLLIN, 0 },
        { broker.cloudfe, 0, ZMQ_POLLIN, 0 },
    };
    int64_t publish_at = zg_now();
    int published = -1, n = 4;
    char text[64];
    zg_msg msg = { 0 };

    while (zg_poll(items, n, publish_at) != -1) {
        pass_replies(&broker);
        for (int i = 0; i < BATCH && zg_recv(&msg, statefe, ZMQ_DONTWAIT); i++)
            from_peer(&msg);
        for (int i = 0; i < BATCH && zg_recv(&msg, monitor, ZMQ_DONTWAIT); i++)
            if (msg.count > 0)
                printf("%s: %s\n", broker.name,
                       zg_text(&msg.frame[0], text, sizeof text));
        place_requests();
        if (broker.free != published || zg_now() >= publish_at) {
            publish(statebe, broker.name, published = broker.free);
            publish_at = zg_now() + interval;
        }
        /* Read clients while there is help, peers while there is a worker. */
        n = broker.free > 0 ? 6 : best_peer() != -1 ? 5 : 4;
    }
    zg_clear(&msg);
}

int main(int argc, char *argv[])
{
    char **names = zg_args(argc, argv, usage);
    long clients = zg_number('c'), all = clients + zg_number('w');
    pthread_t threads[MAX_THREADS];

    patience = zg_number('t');
    interval = zg_number('i');
    if (all > MAX_THREADS || argc > MAX_PEERS)
        zg_usage_error();
    open_broker(&broker, names);
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    void *statebe = zg_socket(broker.ctx, ZMQ_PUB);
    void *statefe = zg_socket(broker.ctx, ZMQ_SUB);
    void *monitor = zg_socket(broker.ctx, ZMQ_PULL);
    bind_to(statebe, broker.name, "state");
    zg_must(zmq_setsockopt(statefe, ZMQ_SUBSCRIBE, "", 0));
    connect_to(statefe, broker.peers, "state");
    bind_to(monitor, broker.name, "monitor");
    for (int i = 0; i < all; i++)
        threads[i] = zg_thread(i < clients ? client : worker, NULL);
    run(statebe, statefe, monitor);
    for (int i = 0; i < all; i++)
        pthread_join(threads[i], NULL);
    zmq_close(statebe);
    zmq_close(statefe);
    zmq_close(monitor);
    close_broker(&broker);
    zg_stop(broker.ctx);
    return EXIT_SUCCESS;
}
