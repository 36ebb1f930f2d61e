/* SPDX-License-Identifier: 0BSD */
/* tspdispatch.c - brings stored requests to their services.
 *
 * It asks the broker which services are there, and sends each of them some
 * requests at once, each on a socket of its own: MDP does not tell otherwise
 * which reply belongs to what. So nobody waits for one that is slow or absent.
 *
 * A request is with its service until the reply comes, for as long as that may
 * take: it is sent again only after a long time, or when the connection to the
 * broker broke, who may have forgotten it.
 */
#include "tspdispatch.h"

#include "mdp.h"
#include "mdtable.h"
#include "tspstore.h"

enum {
    FLIGHTS = 400,     /* requests that are with a service, in all, */
    SHARE = 40,        /* and with one of them */
    BELIEVE_MS = 1000, /* what the broker said about a service */
    TICK_MS = 100,
};

/* A stored request: it waits, or it is in flight. */
struct job {
    TAILQ_ENTRY(job) link;
    struct service *service;
    char uuid[TSP_UUID + 1];
};
TAILQ_HEAD(jobs, job);

struct service {
    struct item item;
    TAILQ_ENTRY(service) link, question;
    struct jobs jobs;        /* that wait */
    int busy;                /* those that do not */
    bool asked;              /* the broker, whether the service is there; */
    int64_t ask_at, present; /* when to do so, and until when it is */
};
TAILQ_HEAD(all, service);

/* A socket serves one request at a time, and is kept for the next. */
static struct flight {
    void *socket;
    struct job *job;
    int64_t deadline;
} flights[FLIGHTS];

static const char *broker;
static void *ctx, *mmi, *monitor;
static long patience;
static struct table services[CHAINS];
static struct all all = TAILQ_HEAD_INITIALIZER(all);
static struct all questions = TAILQ_HEAD_INITIALIZER(questions); /* in order */

/* Replies that have come, and of which jobs. */
static tsp_order replies[FLIGHTS];
static struct job *landed[FLIGHTS];
static int arrived;

static void *connect_to_broker(void)
{
    void *sock = mdp_socket(ctx, ZMQ_DEALER, -1);

    zg_set(sock, ZMQ_LINGER, 0);
    zg_set(sock, ZMQ_HEARTBEAT_IVL, 1000); /* to notice one that is frozen */
    zg_set(sock, ZMQ_HEARTBEAT_TIMEOUT, 2500);
    zg_connect(sock, broker);
    return sock;
}

/* The monitor tells when the broker is gone: see broker_lost(). */
static void open_mmi(void)
{
    static int times;
    char endpoint[32];

    sprintf(endpoint, "inproc://monitor-%d", ++times);
    mmi = connect_to_broker();
    monitor = zg_socket(ctx, ZMQ_PAIR);
    zg_must(zmq_socket_monitor(mmi, endpoint, ZMQ_EVENT_DISCONNECTED));
    zg_connect(monitor, endpoint);
}

/* Ask: [][MDPC01][mmi.service][name] */
static void ask(struct service *service)
{
    zg_msg msg = { 0 };

    mdp_add(&msg, "");
    mdp_add(&msg, MDPC_CLIENT);
    mdp_add(&msg, "mmi.service");
    mdp_copy(&msg, &service->item.name, 1);
    zg_send(&msg, mmi, ZMQ_DONTWAIT);
    zg_clear(&msg);
    TAILQ_INSERT_TAIL(&questions, service, question);
    service->asked = true;
}

/* Send [][MDPC01][service][body...]. False: the request has been closed. */
static bool take_off(struct flight *flight, struct job *job)
{
    zg_msg msg = { 0 };

    if (flight->socket == NULL)
        flight->socket = connect_to_broker();
    while (zg_recv(&msg, flight->socket, ZMQ_DONTWAIT))
        zg_drop(&msg, "a service that answers twice");
    if (tspstore_read_request(job->uuid, &msg) != 1)
        return false;
    zg_insert(&msg, 0, MDPC_CLIENT, 6);
    zg_insert(&msg, 0, "", 0);
    zg_send(&msg, flight->socket, ZMQ_DONTWAIT);
    zg_clear(&msg);
    flight->job = job;
    flight->deadline = zg_now() + patience;
    job->service->busy++;
    return true;
}

/* Send what waits, if the service is there, up to its share. */
static void dispatch(struct service *service)
{
    struct flight *flight = flights;
    struct job *job;

    while (zg_now() < service->present && service->busy < SHARE
           && (job = TAILQ_FIRST(&service->jobs)) != NULL) {
        while (flight < flights + FLIGHTS && flight->job != NULL)
            flight++;
        if (flight == flights + FLIGHTS)
            return;
        TAILQ_REMOVE(&service->jobs, job, link);
        if (!take_off(flight, job))
            free(job);
    }
}

/* News of the store: [uuid][service]. */
static void add_job(zg_msg *msg)
{
    struct service *service =
        look_up(services, &msg->frame[1], sizeof *service);
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        zg_die("calloc");
    if (service->jobs.tqh_last == NULL) { /* it is new */
        TAILQ_INIT(&service->jobs);
        TAILQ_INSERT_TAIL(&all, service, link);
    }
    job->service = service;
    memcpy(job->uuid, zmq_msg_data(&msg->frame[0]), TSP_UUID);
    TAILQ_INSERT_TAIL(&service->jobs, job, link);
    if (!service->asked && zg_now() >= service->ask_at)
        ask(service);
    dispatch(service);
}

/* To be done again. A late reply finds nobody: its socket is closed. */
static void give_up(struct flight *flight)
{
    zmq_close(flight->socket);
    flight->job->service->busy--;
    TAILQ_INSERT_TAIL(&flight->job->service->jobs, flight->job, link);
    *flight = (struct flight){ 0 };
}

/* Whatever it was asked, nobody knows what becomes of that. */
static void broker_lost(void)
{
    struct service *service;

    while ((service = TAILQ_FIRST(&questions)) != NULL) {
        TAILQ_REMOVE(&questions, service, question);
        service->asked = false;
    }
    for (int i = 0; i < FLIGHTS; i++)
        if (flights[i].job != NULL)
            give_up(&flights[i]);
    TAILQ_FOREACH(service, &all, link)
        service->present = 0;
    zmq_close(mmi);
    zmq_close(monitor);
    open_mmi();
}

/* [][MDPC01][mmi.service][200], about the service that was asked for first. */
static void hear_answer(zg_msg *msg)
{
    struct service *service = TAILQ_FIRST(&questions);

    if (service == NULL || msg->count != 4) {
        zg_drop(msg, "the broker");
        return;
    }
    TAILQ_REMOVE(&questions, service, question);
    service->asked = false;
    service->ask_at = zg_now() + BELIEVE_MS;
    if (zg_is(msg, 3, "200"))
        service->present = service->ask_at;
    dispatch(service);
}

/* [][MDPC01][service][body...]: the body is the reply. */
static void land(struct flight *flight)
{
    zg_msg *msg = &replies[arrived].msg;

    while (zg_recv(msg, flight->socket, ZMQ_DONTWAIT)) {
        if (flight->job == NULL || !mdp_is_client(msg, 0) || msg->count < 4
            || msg->count > 3 + TSP_FRAMES) {
            zg_drop(msg, "a service");
            continue;
        }
        for (int i = 0; i < 3; i++)
            zg_pop(msg, 1);
        replies[arrived].what = TSP_REPLY;
        memcpy(replies[arrived].uuid, flight->job->uuid, TSP_UUID);
        landed[arrived++] = flight->job;
        flight->job = NULL;
        return;
    }
}

/* All that have come are stored together. */
static void store_replies(void)
{
    tspstore_carry_out(replies, arrived);
    while (arrived > 0) {
        struct job *job = landed[--arrived];
        struct service *service = job->service;
        zg_clear(&replies[arrived].msg);
        service->busy--;
        if (!replies[arrived].failed) {
            free(job);
        } else { /* the disk is full, maybe: later, again */
            TAILQ_INSERT_TAIL(&service->jobs, job, link);
            service->present = 0;
        }
        dispatch(service);
    }
}

/* What is due: to give up, to ask, to go on, and to forget. */
static void watch(void)
{
    struct service *service, *next;
    int64_t now = zg_now();

    for (int i = 0; i < FLIGHTS; i++)
        if (flights[i].job != NULL && flights[i].deadline <= now)
            give_up(&flights[i]);
    for (service = TAILQ_FIRST(&all); service != NULL; service = next) {
        next = TAILQ_NEXT(service, link);
        if (!TAILQ_EMPTY(&service->jobs) && !service->asked
            && service->ask_at <= now)
            ask(service);
        dispatch(service);
        if (TAILQ_EMPTY(&service->jobs) && service->busy == 0 && !service->asked
            && service->ask_at <= now) {
            TAILQ_REMOVE(&all, service, link);
            forget(&service->item);
        }
    }
}

static void run(void *news)
{
    static zmq_pollitem_t items[3 + FLIGHTS];
    static int flight_of[3 + FLIGHTS];
    int64_t tick = zg_now();
    zg_msg msg = { 0 };
    int n, ready = 0;

    while (ready != -1) {
        items[0] = (zmq_pollitem_t){ news, 0, ZMQ_POLLIN, 0 };
        items[1] = (zmq_pollitem_t){ mmi, 0, ZMQ_POLLIN, 0 };
        items[2] = (zmq_pollitem_t){ monitor, 0, ZMQ_POLLIN, 0 };
        n = 3;
        for (int i = 0; i < FLIGHTS; i++)
            if (flights[i].job != NULL) {
                flight_of[n] = i;
                items[n++] =
                    (zmq_pollitem_t){ flights[i].socket, 0, ZMQ_POLLIN, 0 };
            }
        ready = zg_poll(items, n, tick);
        for (int i = 3; i < n; i++)
            if (items[i].revents)
                land(&flights[flight_of[i]]);
        store_replies();
        for (int i = 0; i < 1000 && zg_recv(&msg, news, ZMQ_DONTWAIT); i++)
            add_job(&msg);
        while (zg_recv(&msg, mmi, ZMQ_DONTWAIT))
            hear_answer(&msg);
        if (zg_recv(&msg, monitor, ZMQ_DONTWAIT))
            broker_lost();
        if (zg_now() >= tick) {
            watch();
            tick = zg_now() + TICK_MS;
        }
    }
    zg_clear(&msg);
}

static void clear_up(void)
{
    struct service *service;
    struct job *job;

    for (int i = 0; i < FLIGHTS; i++) {
        free(flights[i].job);
        if (flights[i].socket != NULL)
            zmq_close(flights[i].socket);
    }
    while ((service = TAILQ_FIRST(&all)) != NULL) {
        while ((job = TAILQ_FIRST(&service->jobs)) != NULL) {
            TAILQ_REMOVE(&service->jobs, job, link);
            free(job);
        }
        TAILQ_REMOVE(&all, service, link);
        forget(&service->item);
    }
    zmq_close(mmi);
    zmq_close(monitor);
}

void tspdispatch(void *context, const char *endpoint, long ms, void *news)
{
    ctx = context;
    broker = endpoint;
    patience = ms;
    open_mmi();
    run(news);
    clear_up();
}
