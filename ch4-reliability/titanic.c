/* SPDX-License-Identifier: 0BSD */
/* titanic.c - stores requests on disk until their services have answered them.
 *
 *     REQ ticlient ---> ROUTER mdbroker <--- DEALERs titanic.request \
 *                         5555          <--- DEALERs titanic.reply    } titanic
 *     DEALER mdworker -->               <--- DEALERs titanic.close    } (this)
 *                                       <--- a DEALER per service    /
 *
 * Titanic keeps requests and replies in a write-ahead log (tsplog.c), a file to
 * which it only appends. Each change is appended and synced to the disk before
 * it is acknowledged. After a crash, Titanic reads the log from its start and
 * restores all that it had acknowledged.
 *
 * A single loop does all the work: take the messages that have arrived, append
 * them, sync once, answer. Requests that arrive while the disk is busy share
 * the next sync. The broker gives a worker one request at a time, so Titanic
 * registers many.
 *
 * Titanic sends a stored request to its service once the broker says that the
 * service has a worker. It sends the request again if no reply comes within -t
 * ms, or the connection to the broker breaks. So a service may execute a
 * request twice and must tolerate that. If the disk is lost, so are the
 * requests.
 *
 * With 200 active services, Titanic needs about 700 descriptors. With fewer, it
 * exits.
 *
 * Build: cc -Icommon ch4-reliability/titanic.c ch4-reliability/tsplog.c \
 *            -o titanic -lzmq -lpthread
 *
 * Try it: see ticlient.c.
 *
 * Guide: chapter 4, "Disconnected Reliability (Titanic Pattern)".
 */
#include "mdp.h"
#include "mdtable.h"
#include "tsplog.h"

static const char usage[] =
    "titanic [-d DIR] [-t MS] [-i MS] [-w N] [ENDPOINT]\n"
    "Keeps requests to Majordomo services on disk until they are answered.\n"
    "  -d DIR    directory of the log (.titanic)\n"
    "  -t MS     time until a request without a reply is sent again (60000)\n"
    "  -i MS     heartbeat interval, as in the broker, at least 100 (2500)\n"
    "  -w N      requests that it takes at once, 1 to 100 (100)\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "Peers: mdbroker ENDPOINT, mdworker ENDPOINT, ticlient ENDPOINT\n";

enum {
    MAX_WORKERS = 100,
    FETCH_WORKERS = 10, /* at most, for titanic.reply; the same for .close */
    ALL_WORKERS = MAX_WORKERS + 2 * FETCH_WORKERS,
    MAX_ACTIVE = 200,           /* services that have a socket */
    MAX_REPLY = TSP_FRAMES - 1, /* frames: the status is one more */
    LIVENESS = 3,          /* intervals until a silent broker has expired */
    MIN_INTERVAL_MS = 100, /* so that workers cannot reconnect all the time */
    RETRY_MS = 1000,       /* until a service is asked for again */
    TICK_MS = MIN_INTERVAL_MS, /* timers are late by that at most */
};

/* Replaces a request by the frames of the answer, and returns its status. */
typedef const char *serve_fn(zg_msg *msg);

/* One of Titanic's own workers. */
struct worker {
    const char *service;
    serve_fn *serve;
    void *socket;    /* NULL: not registered */
    int64_t send_at; /* the next READY or HEARTBEAT */
    int64_t expiry;  /* of the broker */
    zg_msg answer;   /* to be sent when the log is synced */
};

/* A service for which requests are stored. */
struct service {
    struct entry entry;           /* in services, by name */
    TAILQ_ENTRY(service) next;    /* in active or waiting */
    struct tsp_queue queue;       /* requests that are not in flight */
    char in_flight[TSP_UUID + 1]; /* the UUID, if BUSY */
    void *socket;                 /* if active */
    enum {
        NEW,     /* not asked yet */
        ASKED,   /* waiting for the broker's answer */
        PAUSED,  /* asked again later: broker said 404, or disk is full */
        PRESENT, /* the broker said 200 */
        BUSY     /* a request is in flight */
    } state;
    int64_t due; /* deadline of an answer, or until the next question */
};
TAILQ_HEAD(service_list, service);

static void *net;  /* a context that Ctrl-C does not shut down */
static void *stop; /* a socket in the context that Ctrl-C shuts down */
static const char *broker;
static int64_t now, interval, timeout; /* ms */

static struct worker workers[ALL_WORKERS];
static int worker_count, active_count;
static struct table services;
static struct service_list active = TAILQ_HEAD_INITIALIZER(active);
static struct service_list waiting = TAILQ_HEAD_INITIALIZER(waiting);

/* Return the service of this name; create it if it is missing. A new service is
 * activated before those that are paused. */
static struct service *find_or_create_service(zmq_msg_t *name)
{
    struct service *service = table_find(&services, name);

    if (service == NULL) {
        service = table_insert(&services, name, sizeof *service);
        TAILQ_INIT(&service->queue);
        TAILQ_INSERT_HEAD(&waiting, service, next);
    }
    return service;
}

/* Queue a stored request, [service][body...]. */
static void enqueue(tsp_entry *entry, zg_msg *request)
{
    tsplog_enqueue(entry, &find_or_create_service(&request->frame[0])->queue);
}

/* ---- What Titanic answers: RFC 9 */

/* Take the UUID from [uuid]. False if it is not 32 hex digits in upper case. */
static bool take_uuid(zg_msg *msg, char uuid[TSP_UUID + 1])
{
    if (msg->count != 1 || zmq_msg_size(&msg->frame[0]) != TSP_UUID)
        return false;
    memcpy(uuid, zmq_msg_data(&msg->frame[0]), TSP_UUID);
    uuid[TSP_UUID] = '\0';
    zg_clear(msg);
    return strspn(uuid, "0123456789ABCDEF") == TSP_UUID;
}

/* titanic.request: [service][body...] becomes [200][uuid]. */
static const char *serve_request(zg_msg *msg)
{
    tsp_entry *entry;

    if (msg->count < 2 || msg->count > TSP_FRAMES
        || !mdp_is_name(&msg->frame[0]))
        return "400";
    if ((entry = tsplog_append_request(msg)) == NULL)
        return "500";
    enqueue(entry, msg);
    zg_clear(msg);
    mdp_append(msg, entry->uuid);
    return "200";
}

/* titanic.reply: [uuid] becomes [200][body...], or [300]: not yet, or [400]. */
static const char *serve_reply(zg_msg *msg)
{
    char uuid[TSP_UUID + 1];
    tsp_entry *entry = take_uuid(msg, uuid) ? tsplog_find(uuid) : NULL;

    if (entry == NULL)
        return "400";
    if (!entry->has_reply)
        return entry->is_unusable ? "500" : "300";
    return tsplog_read(entry, msg) ? "200" : "500";
}

/* titanic.close: [uuid] becomes [200], also if there is no such request. */
static const char *serve_close(zg_msg *msg)
{
    char uuid[TSP_UUID + 1];
    tsp_entry *entry;

    if (!take_uuid(msg, uuid))
        return "400";
    entry = tsplog_find(uuid);
    return entry == NULL || tsplog_append_close(entry) ? "200" : "500";
}

/* ---- The workers that take these requests: RFC 7 */

static void *connect_to_broker(void)
{
    void *sock = zg_socket(net, ZMQ_DEALER);

    zg_set(sock, ZMQ_LINGER, 0);
    zg_connect(sock, broker);
    return sock;
}

static void send_or_drop(zg_msg *msg, void *sock)
{
    if (!zg_send(msg, sock, ZMQ_DONTWAIT))
        fprintf(stderr, "W: not sent: %s\n", zmq_strerror(errno));
    zg_clear(msg);
}

/* Carry out [][MDPW01][REQUEST][client][][body...]. The answer will be
 * [][MDPW01][REPLY][client][][status][body...]. */
static void carry_out(struct worker *worker, zg_msg *msg)
{
    zg_msg *answer = &worker->answer;

    mdp_append_command(answer, MDPW_REPLY);
    zg_append(answer, &msg->frame[3], 2);
    zg_pop(msg, 5);
    const char *status = worker->serve(msg);
    mdp_append(answer, status);
    if (strcmp(status, "200") == 0)
        zg_append(answer, msg->frame, msg->count);
}

/* Receive a request, HEARTBEAT or DISCONNECT from the broker. */
static void receive_command(struct worker *worker)
{
    zg_msg msg = { 0 };

    if (!zg_recv(&msg, worker->socket, ZMQ_DONTWAIT))
        return;
    char command = mdp_command(&msg, 0);
    worker->expiry = now + LIVENESS * interval;
    if (command == *MDPW_REQUEST)
        carry_out(worker, &msg);
    else if (command == *MDPW_DISCONNECT)
        worker->expiry = now;
    else if (command != *MDPW_HEARTBEAT)
        zg_drop(&msg, "the broker");
    zg_clear(&msg);
}

/* Leave a broker that has expired or sent DISCONNECT; register, or send a
 * heartbeat, if that is due. Return true if the broker has been left. */
static bool maintain(struct worker *worker)
{
    bool is_lost = worker->socket != NULL && now >= worker->expiry;
    zg_msg msg = { 0 };

    if (is_lost) {
        zmq_close(worker->socket);
        worker->socket = NULL;
    }
    if (now < worker->send_at)
        return is_lost;
    if (worker->socket != NULL) {
        mdp_append_command(&msg, MDPW_HEARTBEAT);
    } else {
        worker->socket = connect_to_broker();
        worker->expiry = now + LIVENESS * interval;
        mdp_append_command(&msg, MDPW_READY);
        mdp_append(&msg, worker->service);
    }
    send_or_drop(&msg, worker->socket);
    worker->send_at = now + interval;
    return is_lost;
}

static void maintain_workers(void)
{
    int count = 0;

    for (int i = 0; i < worker_count; i++)
        if (maintain(&workers[i]))
            count++;
    if (count > 0)
        fprintf(stderr, "W: %s: %d workers register again\n", broker, count);
}

static void add_workers(int count, const char *service, serve_fn *serve)
{
    while (count-- > 0)
        workers[worker_count++] =
            (struct worker){ .service = service, .serve = serve };
}

/* Send DISCONNECT, and close the socket: libzmq sends for half a second. */
static void stop_worker(struct worker *worker)
{
    zg_msg msg = { 0 };

    if (worker->socket == NULL)
        return;
    zg_set(worker->socket, ZMQ_LINGER, 500);
    mdp_append_command(&msg, MDPW_DISCONNECT);
    send_or_drop(&msg, worker->socket);
    zmq_close(worker->socket);
}

/* ---- Dispatch. An active service has a socket and at most one message
 * unanswered. If no answer comes in time, the socket is closed, so a late
 * answer never arrives. */

/* Enter a state; its deadline is in ms. */
static void set_state(struct service *service, int state, int64_t ms)
{
    service->state = state;
    service->due = now + ms;
}

/* Give each waiting service a socket, as far as there are any left. */
static void activate(void)
{
    struct service *service;

    while (active_count < MAX_ACTIVE
           && (service = TAILQ_FIRST(&waiting)) != NULL) {
        TAILQ_REMOVE(&waiting, service, next);
        TAILQ_INSERT_TAIL(&active, service, next);
        active_count++;
        service->socket = connect_to_broker();
        set_state(service, NEW, 0);
    }
}

/* Close the socket and requeue the request in flight. Free the service if it
 * has no requests; otherwise it waits for a socket. */
static void deactivate(struct service *service)
{
    tsp_entry *entry =
        service->state == BUSY ? tsplog_find(service->in_flight) : NULL;

    if (entry != NULL)
        tsplog_enqueue(entry, &service->queue);
    zmq_close(service->socket);
    active_count--;
    TAILQ_REMOVE(&active, service, next);
    if (TAILQ_EMPTY(&service->queue))
        table_remove(&service->entry);
    else
        TAILQ_INSERT_TAIL(&waiting, service, next);
}

/* Send [][MDPC01] and the frames of msg: [service][body...] */
static void send_request(struct service *service, zg_msg *msg)
{
    zg_insert(msg, 0, MDPC_CLIENT, strlen(MDPC_CLIENT));
    zg_insert(msg, 0, "", 0);
    send_or_drop(msg, service->socket);
}

/* Ask the broker whether the service has a worker: [mmi.service][name] */
static void ask(struct service *service)
{
    zg_msg msg = { 0 };

    mdp_append(&msg, "mmi.service");
    zg_append(&msg, &service->entry.key, 1);
    send_request(service, &msg);
    set_state(service, ASKED, RETRY_MS);
}

static void send_next(struct service *service)
{
    tsp_entry *entry = TAILQ_FIRST(&service->queue);
    zg_msg msg = { 0 };

    tsplog_dequeue(entry);
    if (!tsplog_read(entry, &msg))
        return; /* from now on titanic.reply answers 500 */
    send_request(service, &msg);
    strcpy(service->in_flight, entry->uuid);
    set_state(service, BUSY, timeout);
}

/* Append a reply to the log, unless the request has been closed. If the disk is
 * full, the request is sent again later. */
static void store_reply(struct service *service, zg_msg *reply)
{
    tsp_entry *entry = tsplog_find(service->in_flight);
    bool is_stored = entry == NULL || tsplog_append_reply(entry, reply);

    if (!is_stored)
        tsplog_enqueue(entry, &service->queue);
    set_state(service, is_stored ? PRESENT : PAUSED, RETRY_MS);
}

/* Drop a reply that has no room for a status before it. Until Titanic restarts,
 * its request is not sent again, and titanic.reply answers 500. */
static void reject_reply(struct service *service)
{
    tsp_entry *entry = tsplog_find(service->in_flight);

    fprintf(stderr, "W: reply dropped: more than %d frames\n", MAX_REPLY);
    if (entry != NULL)
        entry->is_unusable = true;
    set_state(service, PRESENT, RETRY_MS);
}

/* [][MDPC01][service][reply...] or [][MDPC01][mmi.service][200] */
static void take_answer(struct service *service)
{
    zg_msg msg = { 0 };

    if (!zg_recv(&msg, service->socket, ZMQ_DONTWAIT))
        return;
    if (!mdp_is_client_message(&msg, 0) || msg.count < 4) {
        zg_drop(&msg, "a service");
        return;
    }
    zg_pop(&msg, 3);
    if (service->state == BUSY && msg.count > MAX_REPLY)
        reject_reply(service);
    else if (service->state == BUSY)
        store_reply(service, &msg);
    else if (service->state == ASKED)
        set_state(service, zg_is(&msg, 0, "200") ? PRESENT : PAUSED, RETRY_MS);
    else
        fprintf(stderr, "W: dropped an answer to no request\n");
    zg_clear(&msg);
}

/* Ask about the service, send it a request, or close its socket. A paused
 * service is asked about again on its socket, unless another service waits for
 * one. Otherwise, close the socket when the deadline passes: the broker or the
 * service has not answered, or there is no more work. */
static void advance(struct service *service)
{
    bool is_due = now >= service->due, has_work = !TAILQ_EMPTY(&service->queue);
    bool may_ask = service->state == NEW
                   || (service->state == PAUSED && TAILQ_EMPTY(&waiting));

    if (has_work && is_due && may_ask)
        ask(service);
    else if (has_work && service->state == PRESENT)
        send_next(service);
    else if (is_due)
        deactivate(service);
}

static void dispatch(bool is_broker_lost)
{
    struct service *service, *next;

    activate();
    for (service = TAILQ_FIRST(&active); service != NULL; service = next) {
        next = TAILQ_NEXT(service, next);
        if (is_broker_lost)
            deactivate(service);
        else
            advance(service);
    }
}

/* ---- The loop */

/* Return a socket that receives an event when `sock` disconnects. The broker
 * may have restarted without our requests, so dispatch() then sends them
 * again. */
static void *monitor(void *sock)
{
    void *events = zg_socket(net, ZMQ_PAIR);

    zg_must(zmq_socket_monitor(sock, "inproc://lost", ZMQ_EVENT_DISCONNECTED));
    zg_connect(events, "inproc://lost");
    return events;
}

static zmq_pollitem_t readable(void *sock)
{
    return (zmq_pollitem_t){ sock, 0, ZMQ_POLLIN, 0 };
}

/* Wait for messages and take one from each socket that has any. Append
 * requests, replies and closes to the log. False on shutdown. */
static bool take_messages(void *events)
{
    static zmq_pollitem_t items[ALL_WORKERS + MAX_ACTIVE + 2];
    struct service *service;
    int n = 0;

    for (int i = 0; i < worker_count; i++)
        if (workers[i].socket != NULL)
            items[n++] = readable(workers[i].socket);
    TAILQ_FOREACH(service, &active, next)
        items[n++] = readable(service->socket);
    items[n++] = readable(events);
    items[n++] = readable(stop); /* nothing is sent to it: it fails */
    if (zg_poll(items, n, now + TICK_MS) == -1)
        return false;
    now = zg_now();
    n = 0; /* the same order: no socket has been opened or closed since */
    for (int i = 0; i < worker_count; i++)
        if (workers[i].socket != NULL && items[n++].revents != 0)
            receive_command(&workers[i]);
    TAILQ_FOREACH(service, &active, next)
        if (items[n++].revents != 0)
            take_answer(service);
    return true;
}

static void run(void *events)
{
    zg_msg event = { 0 };

    for (now = zg_now(); take_messages(events);) {
        tsplog_sync();
        for (int i = 0; i < worker_count; i++)
            if (workers[i].answer.count > 0)
                send_or_drop(&workers[i].answer, workers[i].socket);
        maintain_workers();
        bool is_broker_lost = zg_recv(&event, events, ZMQ_DONTWAIT);
        dispatch(is_broker_lost);
        tsplog_reclaim();
    }
    zg_clear(&event);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    int count = (int) zg_number('w');
    int fetchers = count < FETCH_WORKERS ? count : FETCH_WORKERS;
    timeout = zg_number('t');
    interval = zg_number('i');
    broker = zg_value[0];
    if (count < 1 || count > MAX_WORKERS || timeout == 0
        || interval < MIN_INTERVAL_MS)
        zg_usage_error();
    void *ctx = zg_start();
    stop = zg_socket(ctx, ZMQ_PAIR);
    net = zmq_ctx_new();
    tsplog_open(zg_value['d'], enqueue);
    printf("I: titanic stores in %s\n", zg_value['d']);
    add_workers(count, "titanic.request", serve_request);
    add_workers(fetchers, "titanic.reply", serve_reply);
    add_workers(fetchers, "titanic.close", serve_close);
    void *watched = connect_to_broker(); /* only its connection is observed */
    void *events = monitor(watched);
    run(events);
    while (worker_count > 0)
        stop_worker(&workers[--worker_count]);
    while (!TAILQ_EMPTY(&active))
        deactivate(TAILQ_FIRST(&active));
    zmq_close(watched);
    zmq_close(events);
    zmq_close(stop);
    zmq_ctx_term(net);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
