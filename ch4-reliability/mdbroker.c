/* SPDX-License-Identifier: 0BSD */
/* mdbroker.c - Majordomo broker: gives requests to workers by name of service.
 *
 *     REQ mdclient, mmiecho --+
 *     DEALER mdclient2 -------+--> ROUTER mdbroker <--- DEALER mdworkers
 *                                  (this) 5555
 *
 * Each service has a queue of requests and a list of idle workers. When both
 * have a first element, the broker dispatches that request to that worker, and
 * keeps the request until the worker replies.
 *
 * Three mechanisms detect a worker that has failed:
 *   killed         its connection closes. libzmq's monitor reports that, and
 *                  the broker then sends a heartbeat to every worker: the
 *                  killed one is unreachable (EHOSTUNREACH).
 *   frozen or cut  libzmq sends pings of its own (ZMQ_HEARTBEAT_IVL) and closes
 *   off            the connection of a peer that does not answer them.
 *   hung, idle     the worker sends no HEARTBEAT. (A busy worker sends none
 *                  either: it may work as long as its connection lives.)
 * The request of a removed worker goes to the next idle worker.
 *
 * The broker drops a request that has cost three workers, and one that no
 * worker has when its expiry (-e) passes. It keeps 10,000 requests to a service
 * and 50,000 in all, and drops those beyond. So a client that fills five
 * services without workers excludes all others until its requests expire.
 *
 * The broker drops a reply that it cannot send. All requests are lost when the
 * broker dies: titanic.c keeps them on disk. Peers need libzmq 4.2 or later:
 * older ones take a ping for a message.
 *
 * Build: cc -Icommon ch4-reliability/mdbroker.c -o mdbroker -lzmq -lpthread
 *
 * Try it: see mdclient.c.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#include "mdp.h"
#include "mdtable.h"

static const char usage[] =
    "mdbroker [-i MS] [-l N] [-e MS] [-z BYTES] [-v] [ENDPOINT]\n"
    "Gives the requests of Majordomo clients to workers, by name of service.\n"
    "  -i MS     heartbeat interval (2500)\n"
    "  -l N      an idle worker is removed after N silent intervals (3)\n"
    "  -e MS     expiry of a request that no worker has (10000)\n"
    "  -z BYTES  largest frame; it must arrive within two intervals (1048576)\n"
    "  -v        print every message\n"
    "  ENDPOINT  bind (tcp://127.0.0.1:5555)\n"
    "Peers: mdworker ENDPOINT, mdclient ENDPOINT\n";

enum {
    MAX_COST = 3, /* workers that fail with a request until it is dropped */
    MAX_SERVICE_REQUESTS = 10000, /* requests to one service */
    MAX_REQUESTS = 50000,         /* requests to all services */
    MIN_FRAME = 256,      /* for a routing id or the name of a service */
    SEND_HWM = 2000,      /* two windows of mdclient2 */
    PROBE_DELAY_MS = 100, /* to read what a lost worker has sent */
    TICK_MS = 100,        /* timers are late by that at most */
    BATCH = 100,          /* messages before timers get their turn */
};

struct request {
    TAILQ_ENTRY(request) next_queued, next_by_expiry;
    struct service *service;
    int64_t expiry; /* dropped if no worker has it then */
    int cost;       /* workers that failed with it */
    zg_msg msg;     /* [client][][MDPC01][service][body...] */
};
TAILQ_HEAD(request_list, request);

struct worker {
    struct entry entry;                    /* in workers, by routing id */
    TAILQ_ENTRY(worker) next, next_in_all; /* next: in idle or busy */
    struct service *service;
    struct request *request; /* that it works on; NULL while it is idle */
    int64_t expiry;          /* removed if it is idle and silent until then */
    int64_t heartbeat_at;    /* when to send it a HEARTBEAT */
};
TAILQ_HEAD(worker_list, worker);

struct service {
    struct entry entry; /* in services, by name */
    struct request_list queue;
    int request_count;             /* queued or with a worker */
    struct worker_list idle, busy; /* in the order in which they became so */
};

static struct table workers, services;
/* All workers, in the order of heartbeat_at; queued requests, in the order of
 * expiry. */
static struct worker_list all_workers = TAILQ_HEAD_INITIALIZER(all_workers);
static struct request_list by_expiry = TAILQ_HEAD_INITIALIZER(by_expiry);
static int64_t now, interval, worker_timeout, request_timeout; /* in ms */
static int total_request_count;
static void *router;

static void log_event(struct service *service, const char *event)
{
    char name[256];

    fprintf(stderr, "W: %s: %s\n",
            zg_text(&service->entry.key, name, sizeof name), event);
}

/* Send or drop a message; never block. Return 0 or the error number. */
static int send_message(zg_msg *msg)
{
    mdp_print(zg_value['v'] != NULL, "sent", msg);
    int error = zg_send(msg, router, ZMQ_DONTWAIT) ? 0 : errno;
    if (error != 0 && error != ETERM)
        fprintf(stderr, "W: message dropped: %s\n", zmq_strerror(error));
    zg_clear(msg);
    return error;
}

/* Send [worker][][MDPW01][command] and, with a request, [client][][body...].
 * Return 0 or the error number. */
static int send_command(struct worker *worker, const char *command,
                        struct request *request)
{
    zg_msg msg = { 0 };

    zg_append(&msg, &worker->entry.key, 1);
    mdp_append_command(&msg, command);
    if (request != NULL) {
        zg_append(&msg, &request->msg.frame[0], 2);
        zg_append(&msg, &request->msg.frame[4], request->msg.count - 4);
    }
    /* all_workers is sorted by heartbeat_at. */
    worker->heartbeat_at = now + interval;
    TAILQ_REMOVE(&all_workers, worker, next_in_all);
    TAILQ_INSERT_TAIL(&all_workers, worker, next_in_all);
    return send_message(&msg);
}

/* ---- Services and requests ----------------------------------------------- */

static struct service *find_or_create_service(zmq_msg_t *name)
{
    struct service *service = table_find(&services, name);

    if (service == NULL) {
        service = table_insert(&services, name, sizeof *service);
        TAILQ_INIT(&service->queue);
        TAILQ_INIT(&service->idle);
        TAILQ_INIT(&service->busy);
    }
    return service;
}

/* Free a request that is in no list. */
static void free_request(struct request *request)
{
    request->service->request_count--;
    total_request_count--;
    zg_clear(&request->msg);
    free(request);
}

static void drop_request(struct request *request, const char *event)
{
    log_event(request->service, event);
    free_request(request);
}

/* Insert the request into its service's queue and into by_expiry. Both are
 * sorted by expiry. The search in by_expiry passes all older requests, which
 * are many if other services have no workers. */
static void requeue(struct request *request)
{
    struct request_list *queue = &request->service->queue;
    struct request *later = TAILQ_FIRST(queue);

    while (later != NULL && later->expiry < request->expiry)
        later = TAILQ_NEXT(later, next_queued);
    if (later != NULL)
        TAILQ_INSERT_BEFORE(later, request, next_queued);
    else
        TAILQ_INSERT_TAIL(queue, request, next_queued);

    later = TAILQ_FIRST(&by_expiry);
    while (later != NULL && later->expiry < request->expiry)
        later = TAILQ_NEXT(later, next_by_expiry);
    if (later != NULL)
        TAILQ_INSERT_BEFORE(later, request, next_by_expiry);
    else
        TAILQ_INSERT_TAIL(&by_expiry, request, next_by_expiry);
}

static void unqueue(struct request *request)
{
    TAILQ_REMOVE(&request->service->queue, request, next_queued);
    TAILQ_REMOVE(&by_expiry, request, next_by_expiry);
}

/* Remove a worker. If it has failed, that counts against its request. Requeue
 * the request, or drop it. */
static void remove_worker(struct worker *worker, const char *event, bool failed)
{
    struct request *request = worker->request;
    struct service *service = worker->service;

    log_event(service, event);
    TAILQ_REMOVE(&all_workers, worker, next_in_all);
    TAILQ_REMOVE(request ? &service->busy : &service->idle, worker, next);
    table_remove(&worker->entry);
    if (request == NULL)
        return;
    request->cost += failed;
    if (request->cost == MAX_COST)
        drop_request(request, "request dropped, it has cost too many workers");
    else if (request->expiry <= now)
        drop_request(request, "request expired");
    else
        requeue(request);
}

static bool has_worker(struct service *service)
{
    return !TAILQ_EMPTY(&service->idle) || !TAILQ_EMPTY(&service->busy);
}

/* Free a service that has neither requests nor workers. */
static void free_unused(struct service *service)
{
    if (service->request_count == 0 && !has_worker(service))
        table_remove(&service->entry);
}

/* Give queued requests to idle workers. Then free the service if it is
 * unused, so the caller must not use it any longer. */
static void dispatch(struct service *service)
{
    struct request *request;
    struct worker *worker;

    while ((request = TAILQ_FIRST(&service->queue)) != NULL
           && (worker = TAILQ_FIRST(&service->idle)) != NULL)
        if (send_command(worker, MDPW_REQUEST, request) == 0) {
            unqueue(request);
            worker->request = request;
            TAILQ_REMOVE(&service->idle, worker, next);
            TAILQ_INSERT_TAIL(&service->busy, worker, next);
        } else {
            remove_worker(worker, "idle worker removed: cannot send", true);
        }
    free_unused(service);
}

/* Remove a worker and give its request to another one. */
static void replace_worker(struct worker *worker, const char *event,
                           bool failed)
{
    struct service *service = worker->service;

    remove_worker(worker, event, failed);
    dispatch(service);
}

/* ---- Messages from clients ----------------------------------------------- */

/* [client][][MDPC01][mmi.service][name]: reply 200 if the service has a worker,
 * idle or busy, 404 if it has none, 501 to other mmi services (RFC 8). */
static void reply_to_mmi(zg_msg *msg)
{
    struct service *service = table_find(&services, &msg->frame[4]);
    const char *status = "501";

    if (zg_is(msg, 3, "mmi.service"))
        status = service != NULL && has_worker(service) ? "200" : "404";
    zg_cut(msg, 4);
    mdp_append(msg, status);
    send_message(msg);
}

/* Queue [client][][MDPC01][service][body...] and dispatch it. */
static void add_request(zg_msg *msg)
{
    struct service *service = find_or_create_service(&msg->frame[3]);

    if (total_request_count == MAX_REQUESTS
        || service->request_count == MAX_SERVICE_REQUESTS) {
        log_event(service, "request dropped, too many are queued");
    } else {
        struct request *request = calloc(1, sizeof *request);
        if (request == NULL)
            zg_die("calloc");
        zg_append(&request->msg, msg->frame, msg->count);
        request->service = service;
        request->expiry = now + request_timeout;
        service->request_count++;
        total_request_count++;
        TAILQ_INSERT_TAIL(&service->queue, request, next_queued);
        TAILQ_INSERT_TAIL(&by_expiry, request, next_by_expiry);
    }
    dispatch(service);
}

static void from_client(zg_msg *msg)
{
    if (!mdp_is_request(msg, 1))
        zg_drop(msg, "a client");
    else if (mdp_is_mmi(&msg->frame[3]))
        reply_to_mmi(msg);
    else
        add_request(msg);
}

/* ---- Messages from workers ----------------------------------------------- */

/* The worker joins the end of the idle list, so workers take turns. */
static void set_idle(struct worker *worker)
{
    worker->request = NULL;
    worker->expiry = now + worker_timeout;
    TAILQ_INSERT_TAIL(&worker->service->idle, worker, next);
    dispatch(worker->service);
}

/* [worker][][MDPW01][READY][service] */
static void register_worker(zg_msg *msg)
{
    struct worker *worker =
        table_insert(&workers, &msg->frame[0], sizeof *worker);
    char name[256];

    worker->service = find_or_create_service(&msg->frame[4]);
    worker->heartbeat_at = now + interval;
    TAILQ_INSERT_TAIL(&all_workers, worker, next_in_all);
    printf("I: %s: worker registered\n",
           zg_text(&msg->frame[4], name, sizeof name));
    set_idle(worker);
}

/* [worker][][MDPW01][REPLY][client][][body...]. Send the client
 * [client][][MDPC01][service][body...]. */
static void pass_reply(struct worker *worker, zg_msg *msg)
{
    struct request *request = worker->request;

    zg_cut(&request->msg, 4);
    zg_append(&request->msg, &msg->frame[6], msg->count - 6);
    send_message(&request->msg);
    free_request(request);
    TAILQ_REMOVE(&worker->service->busy, worker, next);
    set_idle(worker);
}

/* Send DISCONNECT for an unexpected command, and remove the worker if it is
 * registered; this counts against its request. A malformed message has command
 * 0. From an unregistered peer it is only dropped. */
static void reject(struct worker *worker, zg_msg *msg, char command)
{
    if (command == 0)
        fprintf(stderr,
                "W: dropped a malformed message of %d frames from a peer\n",
                msg->count);
    if (command != 0 || worker != NULL) {
        zg_cut(msg, 1);
        mdp_append_command(msg, MDPW_DISCONNECT);
        send_message(msg);
    }
    if (worker != NULL)
        replace_worker(worker, "worker removed: unexpected message", true);
}

static void from_worker(zg_msg *msg)
{
    struct worker *worker = table_find(&workers, &msg->frame[0]);
    struct request *request = worker != NULL ? worker->request : NULL;
    char command = mdp_command(msg, 1);

    if (command == *MDPW_READY && worker == NULL
        && !mdp_is_mmi(&msg->frame[4])) {
        register_worker(msg);
    } else if (command == *MDPW_REPLY && request != NULL
               && zg_equal(&msg->frame[4], &request->msg.frame[0])) {
        pass_reply(worker, msg);
    } else if (command == *MDPW_HEARTBEAT && worker != NULL) {
        worker->expiry = now + worker_timeout;
    } else if (command == *MDPW_DISCONNECT) {
        if (worker != NULL)
            replace_worker(worker, "worker removed: it has disconnected",
                           false);
    } else {
        reject(worker, msg, command);
    }
}

/* ---- Timers -------------------------------------------------------------- */

/* Send HEARTBEAT to a worker. Remove it if it is unreachable or, if it is idle,
 * silent. EAGAIN is no failure: a busy worker does not read. */
static void check_worker(struct worker *worker)
{
    if (worker->request == NULL && worker->expiry <= now)
        replace_worker(worker, "worker removed: silent", true);
    else if (send_command(worker, MDPW_HEARTBEAT, NULL) == EHOSTUNREACH)
        replace_worker(worker, "worker removed: unreachable", true);
}

/* Check the workers to which nothing was sent for an interval. So a silent one
 * is removed up to an interval after its expiry. */
static void heartbeat(void)
{
    struct worker *worker;

    while ((worker = TAILQ_FIRST(&all_workers)) != NULL
           && worker->heartbeat_at <= now)
        check_worker(worker);
}

/* Make heartbeat() check all workers: one of them may have disconnected. */
static void probe_workers(void)
{
    struct worker *worker;

    TAILQ_FOREACH(worker, &all_workers, next_in_all)
        worker->heartbeat_at = now;
}

static void expire_requests(void)
{
    struct request *request;

    while ((request = TAILQ_FIRST(&by_expiry)) != NULL
           && request->expiry <= now) {
        struct service *service = request->service;
        unqueue(request);
        drop_request(request, "request expired");
        free_unused(service);
    }
}

/* ---- Start and stop ------------------------------------------------------ */

static void open_router(void *net)
{
    int64_t limit = zg_number('z');

    router = zg_socket(net, ZMQ_ROUTER);
    zg_must(zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &limit, sizeof limit));
    zg_set(router, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(router, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    zg_set(router, ZMQ_SNDHWM, SEND_HWM);
    /* libzmq 4.3 aborts if a connection with heartbeats closes while its
     * receive pipe is full. RCVHWM 0 has no limit, so the pipe is never full.
     * Memory stays bounded because the broker reads all messages and limits the
     * requests it keeps. */
    zg_set(router, ZMQ_RCVHWM, 0);
    /* A frame that takes longer than HEARTBEAT_TIMEOUT delays the PONG behind
     * it, and libzmq closes the connection. */
    zg_set(router, ZMQ_HEARTBEAT_IVL, (int) (interval + 1) / 2);
    zg_set(router, ZMQ_HEARTBEAT_TIMEOUT, (int) interval * 2);
}

/* Return a socket that receives an event whenever a connection has closed. */
static void *open_monitor(void *net)
{
    void *monitor = zg_socket(net, ZMQ_PAIR);

    zg_set(monitor, ZMQ_RCVHWM, 0); /* libzmq would block when it is full */
    zg_must(
        zmq_socket_monitor(router, "inproc://closed", ZMQ_EVENT_DISCONNECTED));
    zg_connect(monitor, "inproc://closed");
    return monitor;
}

/* True if an event has arrived since the last call. */
static bool read_events(void *monitor)
{
    zg_msg event = { 0 };
    bool any = false;

    while (zg_recv(&event, monitor, ZMQ_DONTWAIT))
        any = true;
    zg_clear(&event);
    return any;
}

static void run(void *monitor, void *stop)
{
    zmq_pollitem_t items[] = { { router, 0, ZMQ_POLLIN, 0 },
                               { monitor, 0, ZMQ_POLLIN, 0 },
                               { stop, 0, ZMQ_POLLERR, 0 } };
    int64_t probe_at = ZG_FOREVER, tick_at;
    int64_t tick = interval / 4 < TICK_MS ? interval / 4 + 1 : TICK_MS;
    zg_msg msg = { 0 };

    do {
        now = zg_now();
        for (int n = 0; n < BATCH && zg_recv(&msg, router, ZMQ_DONTWAIT); n++) {
            mdp_print(zg_value['v'] != NULL, "received", &msg);
            if (mdp_is_client_message(&msg, 1))
                from_client(&msg);
            else
                from_worker(&msg);
        }
        if (read_events(monitor) && probe_at == ZG_FOREVER)
            probe_at = now + PROBE_DELAY_MS;
        if (now >= probe_at) {
            probe_workers();
            probe_at = ZG_FOREVER;
        }
        heartbeat();
        expire_requests();
        tick_at = now + tick;
    } while (zg_poll(items, 3, tick_at < probe_at ? tick_at : probe_at) != -1);
    zg_clear(&msg);
}

int main(int argc, char *argv[])
{
    struct worker *worker;

    zg_args(argc, argv, usage);
    interval = zg_number('i');
    worker_timeout = interval * zg_number('l');
    request_timeout = zg_number('e');
    if (interval == 0 || worker_timeout == 0 || zg_number('z') < MIN_FRAME)
        zg_usage_error();
    void *ctx = zg_start(), *stop = zg_socket(ctx, ZMQ_PAIR);
    /* Ctrl-C shuts ctx down. The sockets of another context then can still send
     * DISCONNECT. */
    void *net = zmq_ctx_new();
    zmq_ctx_set(net, ZMQ_IO_THREADS, 2); /* for the pings to many workers */
    open_router(net);
    void *monitor = open_monitor(net);
    zg_bind(router, "broker", zg_value[0]);
    run(monitor, stop);
    while ((worker = TAILQ_FIRST(&all_workers)) != NULL) {
        send_command(worker, MDPW_DISCONNECT, NULL);
        TAILQ_REMOVE(&all_workers, worker, next_in_all);
    }
    zmq_close(router);
    zmq_close(monitor);
    zmq_ctx_term(net);
    zmq_close(stop);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
