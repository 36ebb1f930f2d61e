/* SPDX-License-Identifier: 0BSD */
/* bstarsrv.c - one half of a pair of servers, of which one serves.
 *
 *     REQ bstarcli ----> ROUTER bstarsrv -p (this)   PUB 5003 --+
 *          :         5001                            SUB <----+ |
 *          :                                                  | |
 *          :.........> ROUTER bstarsrv -b (this)     PUB 5004-+ |
 *                5002                                SUB <------+
 *
 * Each half publishes its state once per interval, and when that changes. The
 * passive half becomes active when it has received no state message for two
 * intervals and then a client sends it a request: the failover needs a silent
 * peer and a client without a reply. It also becomes active when the peer has
 * restarted. A primary that restarts beside an active backup becomes passive.
 * The rules are a table in bstarfsm.h.
 *
 * An active half that was frozen stops serving before it reads anything: the
 * other half may have taken over. If the network between the two is cut while
 * clients reach both halves, both serve; when it is back, the backup becomes
 * passive. A separate network link for the state messages makes that less
 * likely. The halves share no data: see clonesrv6.c for a pair that does.
 *
 * Build: cc -Icommon ch4-reliability/bstarsrv.c -o bstarsrv -lzmq -lpthread
 *
 * Try it:
 *     $ bin/bstarsrv -p & bin/bstarsrv -b & bin/bstarcli -n 3
 *     I: primary -> active: the peer is backup
 *     I: backup -> passive: the peer is active
 *     I: tcp://localhost:5001 replied OK (3)
 *
 * Guide: chapter 4, "Binary Star Implementation".
 */
#include "bstarfsm.h"
#include "zg.h"

static const char usage[] =
    "bstarsrv -p|-b [-i MS] [-v] [CLIENTS [STATE [PEERSTATE]]]\n"
    "Runs one half of a pair of echo servers; the active half serves.\n"
    "  -p         the primary\n"
    "  -b         the backup\n"
    "  -i MS      interval of states, at least 10; the same in both (1000)\n"
    "  -v         log each request that is served\n"
    "  CLIENTS    bind (tcp://127.0.0.1:5001), backup: 5002\n"
    "  STATE      bind (tcp://127.0.0.1:5003), backup: 5004\n"
    "  PEERSTATE  connect (tcp://localhost:5004), backup: 5003\n"
    "Peers: bstarcli CLIENTS CLIENTS\n";

static const char *backup_endpoint[] = {
    "tcp://127.0.0.1:5002",
    "tcp://127.0.0.1:5004",
    "tcp://localhost:5003",
};

enum {
    BATCH = 100,  /* messages of one socket, then it is the other's turn */
    MAX_LATE = 4, /* late state messages in a row */
    MIN_INTERVAL = 10,
};

static struct bstarfsm half;
static void *frontend;

/* The link to the peer: looking up the name of a host may take 30 s and delays
 * all sockets of a context, so the link has a context of its own. */
static void *link_ctx, *statepub, *statesub;
static bool received; /* from the peer, since the SUB last connected */
static int64_t received_at;
static int late_count; /* late state messages in a row */

static void open_link(void)
{
    link_ctx = zmq_ctx_new();
    statepub = zg_socket(link_ctx, ZMQ_PUB);
    zg_set(statepub, ZMQ_LINGER, 0);
    zg_bind(statepub, "state", zg_value[1]);
    statesub = zg_socket(link_ctx, ZMQ_SUB);
    zg_set(statesub, ZMQ_CONNECT_TIMEOUT, (int) half.interval);
    zg_set(statesub, ZMQ_RECONNECT_IVL, (int) (half.interval / 10));
    zg_must(zmq_setsockopt(statesub, ZMQ_SUBSCRIBE, "", 0));
    zg_connect(statesub, zg_value[2]);
}

static void *end_context(void *ctx)
{
    zmq_ctx_term(ctx);
    return NULL;
}

/* Do not wait for the context: it ends after a lookup that may be pending. */
static void close_link(void)
{
    zmq_close(statepub);
    zmq_close(statesub);
    pthread_detach(zg_thread(end_context, link_ctx));
}

/* Let the machine take a step. Log a change of state, and publish. */
static void step(int event, int64_t now)
{
    struct bstarfsm before = half;

    half = bstarfsm_step(half, event, now);
    if (half.state != before.state)
        printf("I: %s -> %s: %s\n", bstarfsm_state_name[before.state],
               bstarfsm_state_name[half.state], bstarfsm_event_name[event]);
    if (bstarfsm_must_publish(&before, &half)) /* a PUB socket never blocks */
        zmq_send(statepub, &(char){ (char) ('0' + half.state) }, 1, 0);
}

/* Handle an event. If the lease has expired, that comes first. */
static void handle(int event)
{
    int64_t now = zg_now();

    if (bstarfsm_lease_expired(&half, now))
        step(LEASE_EXPIRED, now);
    step(event, now);
}

/* Publish, once per interval. If the SUB has received a state message and then
 * none for four intervals, disconnect it and connect it again: the link may be
 * half open. */
static void heartbeat(void)
{
    handle(HEARTBEAT);
    if (received && zg_now() >= half.peer_expiry + 2 * half.interval) {
        zg_must(zmq_disconnect(statesub, zg_value[2]));
        zg_connect(statesub, zg_value[2]);
        received = false;
    }
}

/* Warn if state messages arrive more than 1.5 intervals apart, several times in
 * a row. */
static void check_interval(void)
{
    int64_t now = zg_now();
    bool is_late = now - received_at > half.interval * 3 / 2;

    late_count = is_late ? late_count + 1 : 0;
    if (late_count == MAX_LATE)
        fprintf(stderr, "W: the states of the peer arrive too far apart, do "
                        "both halves have the same -i?\n");
    received_at = now;
    received = true;
}

/* [state], a digit from 1 to 4. */
static void from_peer(zg_msg *msg)
{
    char digit = msg->count == 1 && zmq_msg_size(&msg->frame[0]) == 1
                     ? *(char *) zmq_msg_data(&msg->frame[0])
                     : 0;

    if (digit < '1' || digit > '4') {
        zg_drop(msg, "the peer");
        return;
    }
    if (digit - '0' == half.role)
        fprintf(stderr, "W: the peer has our own role, start one half with -p "
                        "and the other with -b\n");
    check_interval();
    handle(digit - '0'); /* the state of the peer is an event for us */
}

/* [client]...[][request...]: echo the request if this half serves. Otherwise do
 * not reply, so that the client asks the other half. */
static void from_client(zg_msg *msg)
{
    int delimiter = zg_delimiter(msg, 1);
    char text[64];

    handle(CLIENT_REQUEST); /* malformed or not */
    if (!bstarfsm_serves(&half, zg_now()))
        return;
    if (delimiter == 0) {
        zg_drop(msg, "a client");
        return;
    }
    if (zg_value['v'] != NULL)
        printf("I: serving %s\n",
               zg_text(&msg->frame[delimiter + 1], text, sizeof text));
    if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno != ETERM)
        fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
}

static void serve(void)
{
    zmq_pollitem_t items[] = { { statesub, 0, ZMQ_POLLIN, 0 },
                               { frontend, 0, ZMQ_POLLIN, 0 } };
    int64_t heartbeat_at = 0;
    zg_msg msg = { 0 };

    while (zg_poll(items, 2, heartbeat_at) != -1) {
        if (zg_now() >= heartbeat_at) {
            heartbeat();
            heartbeat_at = zg_now() + half.interval;
        }
        /* The peer first: its state decides whether clients are served. */
        for (int n = 0; n < BATCH && zg_recv(&msg, statesub, ZMQ_DONTWAIT); n++)
            from_peer(&msg);
        for (int n = 0; n < BATCH && zg_recv(&msg, frontend, ZMQ_DONTWAIT); n++)
            from_client(&msg);
    }
    zg_clear(&msg);
}

int main(int argc, char *argv[])
{
    char **given = zg_args(argc, argv, usage);
    bool is_primary = zg_value['p'] != NULL, is_backup = zg_value['b'] != NULL;
    long interval = zg_number('i');
    int count = 0;

    if (is_primary == is_backup || interval < MIN_INTERVAL)
        zg_usage_error();
    /* The usage text has the primary's defaults. A backup has others. */
    while (given[count] != NULL)
        count++;
    for (; is_backup && count < 3; count++)
        zg_value[count] = backup_endpoint[count];

    void *ctx = zg_start();
    half = bstarfsm_start(is_primary ? PRIMARY : BACKUP, interval);
    open_link();
    printf("I: %s, waiting for the peer\n", bstarfsm_state_name[half.role]);
    frontend = zg_socket(ctx, ZMQ_ROUTER);
    zg_set(frontend, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable clients */
    zg_set(frontend, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted clients */
    zg_bind(frontend, "clients", zg_value[0]);
    serve();
    zmq_close(frontend);
    close_link();
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
