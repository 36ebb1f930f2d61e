/* SPDX-License-Identifier: 0BSD */
/* peering3.c - broker that gives requests to other brokers when it has no idle
 * worker.
 *
 *     REQ clients ---> ROUTER localfe         cloudfe ROUTER <--- other brokers
 *                          peering3 SELF (this)
 *     REQ workers ---> ROUTER localbe         cloudbe ROUTER ---> other brokers
 *
 *     PUSH clients --> PULL monitor   PUB statebe, SUB statefe: see peering1.c
 *
 * A client's request goes to an idle worker of the same cluster or, if all are
 * busy, to the peer with most idle workers. Each broker publishes the number of
 * its idle workers when that number changes, and once per interval. With each
 * request to a peer a broker decrements its copy of the peer's number. A number
 * expires after three intervals without a new one: the peer is disconnected,
 * frozen or unreachable. The broker counts these intervals by its own -i, so
 * give all brokers the same -i.
 *
 * Two brokers may both send a request for the same idle worker. A broker also
 * counts too many idle workers if a peer published its state before our request
 * arrived. In both cases the request waits at the peer until a worker is idle.
 *
 * A request is lost with the worker or the broker that has it. Its client
 * times out and continues; mdbroker.c shows how to recover requests.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/peering3.c -o peering3 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/peering3 -s 1 DC1 DC2 & bin/peering3 DC2 DC1
 *     I: monitor bound to ipc://...-monitor.ipc
 *     DC...: ...
 *
 * Each line "DC1: 0854" is a task that has been answered, and its cluster.
 *
 * Guide: chapter 3, "Putting it All Together".
 */
#include "peering.h"

static const char usage[] =
    "peering3 [-c N] [-w N] [-t MS] [-i MS] [-s SEED] SELF [PEER...]\n"
    "Gives requests to its own workers or, if all are busy, to another "
    "broker.\n"
    "  -c N     clients (10)\n"
    "  -w N     workers (5)\n"
    "  -t MS    timeout of a client's request (10000)\n"
    "  -i MS    interval between state messages (1000)\n"
    "  -s SEED  of the simulated load\n"
    "  SELF     name of this cluster\n"
    "  PEER...  names of the other clusters, up to 100\n"
    "Peers: peering3 PEER SELF\n";

enum {
    MAX_PEERS = 100,
    MAX_THREADS = 400,
    LIVENESS = 3, /* intervals until a peer's state expires */
    BATCH = 100,  /* messages from one socket in a row */
    /* In a client's request. A worker's reply may add [worker][][peer]. */
    MAX_FRAMES = ZG_MAX_RECV - 3,
};

struct peer {
    const char *name;
    long capacity;  /* idle workers it had, less the requests we have sent */
    int64_t expiry; /* of the capacity */
};

static void *ctx, *localfe, *localbe, *cloudfe, *cloudbe;
static void *statebe, *statefe;
static void *monitor; /* PULL of the clients' reports, the Guide's name */
static struct peer peers[MAX_PEERS];
static int peer_count;
static long timeout;
static int64_t interval;

/* The next request by origin: [client][][body...] or [peer][client][][body...].
 * Brokers in other languages send [peer][][client][][body...]; a worker returns
 * that envelope unchanged. */
enum origin { CLIENT, PEER };
static zg_msg request[2];

static void report(void *sock, const char *format, const char *task)
{
    char line[64];
    int size = snprintf(line, sizeof line, format, task);

    zmq_send(sock, line, (size_t) size, 0);
}

/* Send a task and report its reply. The socket serves one task, so that a late
 * reply cannot be mistaken for that of the next. False on shutdown. */
static bool run_task(void *reports)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zmq_pollitem_t item = { sock, 0, ZMQ_POLLIN, 0 };
    zg_msg msg = { 0 };
    char task[8];

    zg_set(sock, ZMQ_LINGER, 0);
    connect_part(sock, zg_value[0], "localfe");
    sprintf(task, "%04lX", random() & 0xffff);
    zmq_send(sock, task, strlen(task), 0);
    int ready = zg_poll(&item, 1, zg_now() + timeout);
    if (ready == 1 && zg_recv(&msg, sock, 0))
        report(reports, zg_is(&msg, 0, task) ? "%s" : "wrong reply to %s",
               task);
    else if (ready == 0)
        report(reports, "no reply to %s", task);
    zg_clear(&msg);
    zmq_close(sock);
    return ready != -1;
}

/* Send bursts of up to 14 tasks, up to 4 s apart. */
static void *client(void *arg)
{
    void *reports = zg_socket(ctx, ZMQ_PUSH);

    connect_part(reports, zg_value[0], "monitor");
    while (zg_sleep(reports, random() % 5 * 1000))
        for (long burst = random() % 15; burst > 0 && run_task(reports);
             burst--)
            continue;
    zmq_close(reports);
    return arg;
}

/* Work for 0 or 1 s and return the same frames as the reply. */
static void *worker(void *arg)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };

    connect_part(sock, zg_value[0], "localbe");
    zmq_send(sock, "\001", 1, 0); /* READY */
    while (zg_recv(&msg, sock, 0) && msg.count > 0
           && zg_sleep(sock, random() % 2 * 1000))
        zg_send(&msg, sock, 0);
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

/* [peer][idle workers] */
static void from_state(zg_msg *msg)
{
    long workers = parse_state(msg);
    int i = 0;

    while (i < peer_count && !zg_is(msg, 0, peers[i].name))
        i++;
    if (workers == -1 || i == peer_count) {
        zg_drop(msg, "a peer");
        return;
    }
    peers[i].capacity = workers;
    peers[i].expiry = zg_now() + LIVENESS * interval;
}

static void print_report(zg_msg *msg)
{
    char text[64];

    if (msg->count == 1)
        printf("%s: %s\n", zg_value[0],
               zg_text(&msg->frame[0], text, sizeof text));
    else
        zg_drop(msg, "a client");
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

/* Return the peer with most idle workers by an unexpired state, or NULL. */
static struct peer *best_peer(void)
{
    struct peer *best = NULL;

    for (struct peer *peer = peers; peer < peers + peer_count; peer++)
        if (peer->capacity > 0 && peer->expiry > zg_now()
            && (best == NULL || peer->capacity > best->capacity))
            best = peer;
    return best;
}

/* Send [peer][client][][body...] to the best peer that can be reached. */
static void send_to_peer(zg_msg *msg)
{
    struct peer *peer;

    while (msg->count > 0 && (peer = best_peer()) != NULL) {
        zg_insert(msg, 0, peer->name, strlen(peer->name));
        if (zg_send(msg, cloudbe, ZMQ_DONTWAIT)) {
            peer->capacity--;
        } else {
            zg_pop(msg, 1);
            peer->capacity = 0;
        }
    }
}

/* Give idle workers requests, of clients and of peers in turn. While no worker
 * is idle, give requests of clients to peers. */
static void route_requests(void)
{
    static enum origin last = CLIENT;

    while (idle_count > 0) {
        enum origin other = last == CLIENT ? PEER : CLIENT;
        if (fetch_request(other))
            last = other;
        else if (!fetch_request(last))
            break;
        send_to_worker(&request[last]);
    }
    for (int n = 0; n < BATCH && idle_count == 0; n++) {
        if (best_peer() == NULL || !fetch_request(CLIENT))
            break;
        send_to_peer(&request[CLIENT]);
    }
}

/* Poll a frontend only if its next request could be routed. */
static int wait_for_messages(int64_t deadline)
{
    bool can_route = idle_count > 0 || best_peer() != NULL;
    zmq_pollitem_t items[] = { { localbe, 0, ZMQ_POLLIN, 0 },
                               { cloudbe, 0, ZMQ_POLLIN, 0 },
                               { statefe, 0, ZMQ_POLLIN, 0 },
                               { monitor, 0, ZMQ_POLLIN, 0 },
                               { localfe, 0, can_route ? ZMQ_POLLIN : 0, 0 },
                               { cloudfe, 0, idle_count ? ZMQ_POLLIN : 0, 0 } };

    return zg_poll(items, 6, deadline);
}

static void run(void)
{
    int64_t publish_at = zg_now();
    int published = -1;
    zg_msg msg = { 0 };

    while (wait_for_messages(publish_at) != -1) {
        for (int n = 0; n < BATCH && zg_recv(&msg, localbe, ZMQ_DONTWAIT); n++)
            from_worker(&msg);
        for (int n = 0; n < BATCH && zg_recv(&msg, cloudbe, ZMQ_DONTWAIT); n++)
            from_peer(&msg);
        for (int n = 0; n < BATCH && zg_recv(&msg, statefe, ZMQ_DONTWAIT); n++)
            from_state(&msg);
        for (int n = 0; n < BATCH && zg_recv(&msg, monitor, ZMQ_DONTWAIT); n++)
            print_report(&msg);
        route_requests();
        if (idle_count != published || zg_now() >= publish_at) {
            publish_state(statebe, zg_value[0], published = idle_count);
            publish_at = zg_now() + interval;
        }
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
    statebe = zg_socket(ctx, ZMQ_PUB);
    statefe = zg_socket(ctx, ZMQ_SUB);
    monitor = zg_socket(ctx, ZMQ_PULL);
    bind_part(statebe, zg_value[0], "state");
    zg_must(zmq_setsockopt(statefe, ZMQ_SUBSCRIBE, "", 0));
    for (int i = 0; i < peer_count; i++) {
        connect_part(cloudbe, peers[i].name, "cloud");
        connect_part(statefe, peers[i].name, "state");
    }
    bind_part(monitor, zg_value[0], "monitor");
}

static void close_sockets(void)
{
    void *sockets[] = { localfe, localbe, cloudfe, cloudbe,
                        statebe, statefe, monitor };

    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++)
        zmq_close(sockets[i]);
}

int main(int argc, char *argv[])
{
    char **names = zg_args(argc, argv, usage);
    pthread_t threads[MAX_THREADS];
    long clients = zg_number('c'), thread_count = clients + zg_number('w');

    timeout = zg_number('t');
    interval = zg_number('i');
    if (thread_count > MAX_THREADS || timeout == 0 || interval == 0
        || names[0] == NULL)
        zg_usage_error();
    check_names(names);
    for (char **name = names + 1; *name != NULL; name++) {
        if (peer_count == MAX_PEERS)
            zg_usage_error();
        peers[peer_count++].name = *name;
    }
    ctx = zg_start();
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    open_sockets();
    for (int i = 0; i < thread_count; i++)
        threads[i] = zg_thread(i < clients ? client : worker, NULL);
    run();
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    close_sockets();
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
