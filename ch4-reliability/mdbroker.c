/* SPDX-License-Identifier: 0BSD */
/* mdbroker.c - Majordomo broker: brings requests to services, by name.
 *
 *     REQ mdclient, mmiecho --+
 *     DEALER mdclient2 -------+--> ROUTER mdbroker <--- DEALER mdworkers
 *                                  (this) 5555
 *
 * A service has a line of requests and one of workers; when both have a head,
 * these go off together. The rest is about what vanishes:
 *   - A worker that is killed: libzmq tells that its connection closed.
 *   - One that is frozen or cut off: heartbeats of libzmq's own close the
 *     connection. One may work as long as it likes; who waits has to heartbeat.
 *   - What a lost worker worked on is first in line for the next one.
 *   - Requests nobody takes expire; services with neither are forgotten.
 *
 * Build: cc -Icommon ch4-reliability/mdbroker.c -o mdbroker -lzmq -lpthread
 * Try it: see mdclient.c.
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#include "mdp.h"
#include "mdtable.h"

static const char usage[] =
    "mdbroker [-i MS] [-l N] [-e MS] [-z BYTES] [-v] [ENDPOINT]\n"
    "Brings the requests of Majordomo clients to workers, by service name.\n"
    "  -i MS     heartbeat interval (2500)\n"
    "  -l N      a waiting worker is gone after so many of silence (3)\n"
    "  -e MS     a request that no worker took expires after (10000)\n"
    "  -z BYTES  the largest frame that may pass (1048576)\n"
    "  -v        print every message\n"
    "  ENDPOINT  bind (tcp://127.0.0.1:5555)\n"
    "Peers: mdworker ENDPOINT, mdclient ENDPOINT\n";

enum {
    MAX_TRIES = 3,        /* workers that one request may cost */
    MAX_SERVICE = 10000,  /* requests to one service, waiting or worked on, */
    MAX_REQUESTS = 50000, /* and to all of them */
    SEND_HWM = 2000, /* two windows of mdclient2: libzmq counts by halves */
};

struct request {
    TAILQ_ENTRY(request) line, arrival;
    struct service *service;
    int64_t expiry;
    int tries;  /* workers that had it */
    zg_msg msg; /* [client][][MDPC01][service][body...] */
};
TAILQ_HEAD(requests, request);

struct worker {
    struct item item;
    TAILQ_ENTRY(worker) line, all;
    struct service *service;
    struct request *request; /* that it works on, or NULL: it waits */
    int64_t heard, sent;     /* the last message from it, and to it */
};
TAILQ_HEAD(workers, worker);

struct service {
    struct item item;
    struct requests line;
    int requests;           /* in line or worked on */
    struct workers workers; /* the busy ones, then those that wait */
    struct worker *next;    /* the first of these */
};

static struct table workers[CHAINS], services[CHAINS];
static struct workers all = TAILQ_HEAD_INITIALIZER(all); /* by time sent */
static struct requests arrivals = TAILQ_HEAD_INITIALIZER(arrivals); /* new */
static int64_t now, interval, silence, patience;                    /* ms */
static int requests;
static void *router, *monitor;

static void say(FILE *to, struct service *service, const char *what)
{
    zmq_msg_t *name = &service->item.name;
    fprintf(to, "%s: %.*s: %s\n", to == stdout ? "I" : "W",
            (int) zmq_msg_size(name), (char *) zmq_msg_data(name), what);
}

/* Send or drop: a peer that does not read must not make the others wait. */
static int post(zg_msg *msg)
{
    mdp_show(zg_value['v'] != NULL, "sent", msg);
    int error = zg_send(msg, router, ZMQ_DONTWAIT) ? 0 : errno;
    if (error != 0)
        fprintf(stderr, "W: not sent: %s\n", zmq_strerror(error));
    zg_clear(msg);
    return error;
}

/* False: the worker is gone. (One too busy to read its HEARTBEATs is not. One
 * that waits but has no room for a request is of no use.) */
static bool tell(struct worker *worker, const char *what, struct request *work)
{
    zg_msg msg = { 0 };
    mdp_copy(&msg, &worker->item.name, 1);
    mdp_add_command(&msg, what);
    if (work != NULL) { /* [client][][body...] */
        mdp_copy(&msg, &work->msg.frame[0], 2);
        mdp_copy(&msg, &work->msg.frame[4], work->msg.count - 4);
    }
    TAILQ_REMOVE(&all, worker, all);
    TAILQ_INSERT_TAIL(&all, worker, all);
    worker->sent = now;
    int error = post(&msg);
    return error == 0 || (error == EAGAIN && work == NULL);
}

static void discard(struct request *request)
{
    request->service->requests--;
    requests--;
    zg_clear(&request->msg);
    free(request);
}

/* Forget a worker. Its request was first in line, and is so again. */
static struct service *strike_off(struct worker *worker, const char *why)
{
    struct request *request = worker->request;
    struct service *service = worker->service;
    say(stderr, service, why);
    if (service->next == worker)
        service->next = TAILQ_NEXT(worker, line);
    TAILQ_REMOVE(&service->workers, worker, line);
    TAILQ_REMOVE(&all, worker, all);
    forget(&worker->item);
    if (request != NULL && request->tries < MAX_TRIES) {
        TAILQ_INSERT_HEAD(&service->line, request, line);
    } else if (request != NULL) {
        say(stderr, service, "dropped a request that cost too many workers");
        discard(request);
    }
    return service;
}

/* Requests go to workers. A service with neither is forgotten: use it last. */
static void dispatch(struct service *service)
{
    struct request *request;
    struct worker *worker;
    while ((request = TAILQ_FIRST(&service->line)) && (worker = service->next))
        if (tell(worker, MDPW_REQUEST, request)) {
            TAILQ_REMOVE(&service->line, request, line);
            if (request->tries++ == 0)
                TAILQ_REMOVE(&arrivals, request, arrival);
            worker->request = request;
            service->next = TAILQ_NEXT(worker, line);
        } else {
            strike_off(worker, "a waiting worker is gone");
        }
    if (service->requests == 0 && TAILQ_EMPTY(&service->workers))
        forget(&service->item);
}

static struct service *service_of(zmq_msg_t *name)
{
    struct service *service = look_up(services, name, sizeof *service);
    if (service->line.tqh_last == NULL) { /* it is new */
        TAILQ_INIT(&service->line);
        TAILQ_INIT(&service->workers);
    }
    return service;
}

/* To be called when all that has come is read: a REPLY may be the last word. */
static void bury_the_dead(void)
{
    struct worker *worker;
    while ((worker = next_closed(monitor)) != NULL)
        dispatch(strike_off(worker, "a worker is gone"));
}

/* [client][][MDPC01][mmi.service][name]: has it a worker, waiting or busy? */
static void manage(zg_msg *msg)
{
    struct service *service = look_up(services, &msg->frame[4], 0);
    bool known = zg_is(msg, 3, "mmi.service");
    bool served = service && TAILQ_FIRST(&service->workers);
    mdp_cut(msg, 4);
    mdp_add(msg, !known ? "501" : served ? "200" : "404");
    post(msg);
}

/* [client][][MDPC01][service][body...] */
static void from_client(zg_msg *msg)
{
    zmq_msg_t *name = &msg->frame[3];
    struct service *service;
    struct request *request;
    if (!mdp_is_request(msg, 1)) {
        zg_drop(msg, "a client");
    } else if (mdp_is_mmi(name)) {
        manage(msg);
    } else if (requests >= MAX_REQUESTS
               || (service = service_of(name))->requests >= MAX_SERVICE) {
        zg_drop(msg, "a client, as there are too many");
    } else {
        if ((request = calloc(1, sizeof *request)) == NULL)
            zg_die("calloc");
        mdp_copy(&request->msg, msg->frame, msg->count);
        request->service = service;
        request->expiry = now + patience;
        service->requests++;
        requests++;
        TAILQ_INSERT_TAIL(&service->line, request, line);
        TAILQ_INSERT_TAIL(&arrivals, request, arrival);
        dispatch(service);
    }
}

/* It is the last in line: the next request is for who waits for longest. */
static void set_free(struct worker *worker)
{
    worker->request = NULL;
    worker->heard = now;
    TAILQ_INSERT_TAIL(&worker->service->workers, worker, line);
    if (worker->service->next == NULL)
        worker->service->next = worker;
    dispatch(worker->service);
}

/* [worker][][MDPW01][READY][service]. Who had its descriptor is dead. */
static void sign_on(zg_msg *msg)
{
    bury_the_dead();
    struct worker *worker = look_up(workers, &msg->frame[0], sizeof *worker);
    came_by(&worker->item, &msg->frame[4]);
    worker->service = service_of(&msg->frame[4]);
    worker->sent = now;
    TAILQ_INSERT_TAIL(&all, worker, all);
    say(stdout, worker->service, "a new worker");
    set_free(worker);
}

/* [worker][][MDPW01][REPLY][client][][body...] */
static void reply(struct worker *worker, zg_msg *msg)
{
    struct request *request = worker->request;
    mdp_cut(&request->msg, 4);
    mdp_copy(&request->msg, &msg->frame[6], msg->count - 6);
    post(&request->msg);
    discard(request);
    TAILQ_REMOVE(&worker->service->workers, worker, line);
    set_free(worker);
}

/* What is valid but not to be expected earns a DISCONNECT. What is not valid is
 * dropped, and who said it is no worker (any more). */
static void from_worker(zg_msg *msg)
{
    struct worker *worker =
        msg->count > 0 ? look_up(workers, &msg->frame[0], 0) : NULL;
    struct request *request = worker ? worker->request : NULL;
    char what = mdp_command(msg, 1);
    if (what == *MDPW_READY && !worker && !mdp_is_mmi(&msg->frame[4])) {
        sign_on(msg);
    } else if (what == *MDPW_REPLY && request
               && same_bytes(&msg->frame[4], &request->msg.frame[0])) {
        reply(worker, msg);
    } else if (what == *MDPW_HEARTBEAT && worker) {
        worker->heard = now;
    } else {
        if (what == 0)
            fprintf(stderr,
                    "W: dropped a malformed message of %d frames from %s\n",
                    msg->count, "a worker");
        if (what != *MDPW_DISCONNECT && (what != 0 || worker)) {
            mdp_cut(msg, 1);
            mdp_add_command(msg, MDPW_DISCONNECT);
            post(msg);
        }
        if (worker)
            dispatch(strike_off(worker, "a worker signed off"));
    }
}

/* Do what is due by now. */
static void watch(void)
{
    struct request *request;
    struct worker *worker;
    while ((worker = TAILQ_FIRST(&all)) && worker->sent + interval <= now)
        if (!worker->request && worker->heard + silence <= now)
            dispatch(strike_off(worker, "a worker is silent"));
        else if (!tell(worker, MDPW_HEARTBEAT, NULL))
            dispatch(strike_off(worker, "a worker is gone"));
    while ((request = TAILQ_FIRST(&arrivals)) && request->expiry <= now) {
        struct service *service = request->service;
        say(stderr, service, "a request expired");
        TAILQ_REMOVE(&service->line, request, line);
        TAILQ_REMOVE(&arrivals, request, arrival);
        discard(request);
        dispatch(service);
    }
}

static void say_goodbye(void)
{
    struct worker *worker;
    while ((worker = TAILQ_FIRST(&all)) != NULL) {
        tell(worker, MDPW_DISCONNECT, NULL);
        strike_off(worker, "a worker is sent away, as we stop");
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    if ((interval = zg_number('i')) == 0)
        zg_usage_error();
    silence = interval * zg_number('l');
    patience = zg_number('e');
    void *ctx = zg_start(), *stop = zg_socket(ctx, ZMQ_PAIR);
    void *net = zmq_ctx_new(); /* of its own, for the goodbyes after a stop */
    zg_msg msg = { 0 };
    int n;
    /* A PING has a timer, and libzmq looks for one among all of a thread. */
    zmq_ctx_set(net, ZMQ_IO_THREADS, 2);
    router = mdp_socket(net, ZMQ_ROUTER, zg_number('z'));
    zg_set(router, ZMQ_ROUTER_MANDATORY, 1);
    zg_set(router, ZMQ_SNDHWM, SEND_HWM);
    zg_set(router, ZMQ_HEARTBEAT_IVL, (int) (interval + 1) / 2);
    zg_set(router, ZMQ_HEARTBEAT_TIMEOUT, (int) interval * 2);
    monitor = watch_connections(net, router);
    zg_bind(router, "broker", zg_value[0]);
    zmq_pollitem_t items[] = { { router, 0, ZMQ_POLLIN, 0 },
                               { monitor, 0, ZMQ_POLLIN, 0 },
                               { stop, 0, ZMQ_POLLERR, 0 } };
    while (zg_poll(items, 3, now + (interval + 3) / 4) != -1) {
        now = zg_now();
        for (n = 0; n < 100 && zg_recv(&msg, router, ZMQ_DONTWAIT); n++) {
            mdp_show(zg_value['v'] != NULL, "received", &msg);
            if (mdp_is_client(&msg, 1))
                from_client(&msg);
            else
                from_worker(&msg);
        }
        if (n < 100)
            bury_the_dead();
        watch();
    }
    zg_clear(&msg);
    say_goodbye();
    zmq_close(router);
    zmq_close(monitor);
    zmq_ctx_term(net);
    zmq_close(stop);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
