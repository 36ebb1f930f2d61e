/* SPDX-License-Identifier: 0BSD */
/* titanic.c - stores requests on disk until somebody has answered them.
 *
 *     REQ ticlient ---> ROUTER mdbroker <--- DEALER titanic.request  \
 *                         5555   ^      <--- DEALER titanic.reply     } titanic
 *                                |      <--- DEALER titanic.close    /  (this)
 *                                +---------- DEALER, a client of the services
 *
 * What was answered with 200 is on the disk, its name too. The folder is the
 * queue: a request waits as long as there is a UUID.req without a UUID.rep.
 *
 * Majordomo gives a worker one request at a time, so Titanic is many workers. A
 * thread plays all of one service: what has come while the disk was busy it
 * stores together (tspstore.c). The main thread brings the requests to their
 * services (tspdispatch.c).
 *
 * Build: cc -Icommon ch4-reliability/titanic.c ch4-reliability/mdwrkapi.c \
 *            ch4-reliability/tspstore.c ch4-reliability/tspdispatch.c \
 *            -o titanic -lzmq -lpthread
 *
 * Try it: see ticlient.c.
 *
 * Guide: chapter 4, "Disconnected Reliability (Titanic Pattern)".
 */
#include "mdp.h"
#include "mdwrkapi.h"
#include "tspdispatch.h"
#include "tspstore.h"

static const char usage[] =
    "titanic [-d DIR] [-t MS] [-i MS] [-w N] [ENDPOINT]\n"
    "Keeps requests to Majordomo services on disk until they are answered.\n"
    "  -d DIR    where (.titanic)\n"
    "  -t MS     a request without a reply is sent again after (60000)\n"
    "  -i MS     heartbeat interval, as the broker's (2500)\n"
    "  -w N      requests that it takes at once, 1 to 100 (100)\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "Peers: mdbroker ENDPOINT, mdworker ENDPOINT, ticlient ENDPOINT\n";

enum { THREADS = 3 };

/* What a thread does. */
struct duty {
    const char *service;
    void (*begin)(tsp_order *);
    int workers;
};

static void *ctx, *net; /* net: for all workers */
static long interval;

static void answer(tsp_order *order, const char *status)
{
    mdp_cut(&order->msg, 0);
    mdp_add(&order->msg, status);
}

/* titanic.request: [service][body...] becomes [200][uuid]. */
static void on_request(tsp_order *order)
{
    if (order->msg.count > 1 && mdp_is_name(&order->msg.frame[0]))
        order->what = TSP_REQUEST;
    else
        answer(order, "400");
}

static bool has_uuid(tsp_order *order)
{
    bool good = order->msg.count == 1 && tspstore_is_uuid(&order->msg.frame[0]);

    if (good)
        memcpy(order->uuid, zmq_msg_data(&order->msg.frame[0]), TSP_UUID);
    else
        answer(order, "400");
    return good;
}

/* titanic.reply: [uuid] becomes [200][body...], or [300] not yet, or [400]. */
static void on_reply(tsp_order *order)
{
    static const char *const status[] = { "500", "400", "200", "300" };
    int found;

    if (!has_uuid(order))
        return;
    found = tspstore_read_reply(order->uuid, &order->msg);
    zg_insert(&order->msg, 0, status[found + 1], 3);
}

/* titanic.close: [uuid] becomes [200]. */
static void on_close(tsp_order *order)
{
    if (has_uuid(order))
        order->what = TSP_DELETE;
}

/* To the dispatcher: [uuid][service] */
static bool tell(void *news, const char *uuid, zmq_msg_t *service)
{
    return zmq_send(news, uuid, TSP_UUID, ZMQ_SNDMORE) != -1
           && zmq_send(news, zmq_msg_data(service), zmq_msg_size(service), 0)
                  != -1;
}

/* Of an order that was for the store, the answer is still to be made. */
static void finish(tsp_order *order, void *news)
{
    bool stored = order->what == TSP_REQUEST && !order->failed;

    if (stored)
        tell(news, order->uuid, &order->msg.frame[0]);
    if (order->what != TSP_NOTHING)
        answer(order, order->failed ? "500" : "200");
    if (stored)
        mdp_add(&order->msg, order->uuid);
}

static void *news_to_dispatcher(void)
{
    void *news = zg_socket(ctx, ZMQ_PUSH);

    zg_set(news, ZMQ_SNDHWM, 0);
    zg_connect(news, "inproc://news");
    return news;
}

/* Take the requests that are there, store all, answer all. */
static void serve(struct duty *duty, mdwrk *workers, tsp_order *orders)
{
    void *news = news_to_dispatcher();
    mdwrk *who[MDWRK_MANY];

    do {
        int n = 0;
        for (int i = 0; i < duty->workers; i++)
            if (mdwrk_take(&workers[i], &orders[n].msg)) {
                orders[n].what = TSP_NOTHING;
                duty->begin(&orders[n]);
                who[n++] = &workers[i];
            }
        tspstore_carry_out(orders, n);
        for (int i = 0; i < n; i++) {
            finish(&orders[i], news);
            mdwrk_reply(who[i], &orders[i].msg);
        }
    } while (mdwrk_wait(workers, duty->workers));
    zmq_close(news);
}

static void *run(void *arg)
{
    struct duty *duty = arg;
    mdwrk *workers = calloc((size_t) duty->workers, sizeof *workers);
    tsp_order *orders = calloc((size_t) duty->workers, sizeof *orders);

    if (workers == NULL || orders == NULL)
        zg_die("calloc");
    for (int i = 0; i < duty->workers; i++) {
        workers[i] = mdwrk_new(ctx, zg_value[0], duty->service);
        workers[i].heartbeat = workers[i].reconnect = interval;
        workers[i].net = net;
    }
    serve(duty, workers, orders);
    for (int i = 0; i < duty->workers; i++)
        mdwrk_destroy(&workers[i]);
    free(workers);
    free(orders);
    return arg;
}

/* What an earlier titanic has left undone. */
static void look_through(void)
{
    void *news = news_to_dispatcher();
    char uuid[64];
    zg_msg msg = { 0 };

    while (tspstore_waiting(uuid, &msg) && tell(news, uuid, &msg.frame[0]))
        continue;
    zg_clear(&msg);
    zmq_close(news);
}

int main(int argc, char *argv[])
{
    pthread_t threads[THREADS];

    zg_args(argc, argv, usage);
    int workers = (int) zg_number('w');
    long patience = zg_number('t');
    interval = zg_number('i');
    if (workers < 1 || workers > MDWRK_MANY || interval == 0)
        zg_usage_error();
    ctx = zg_start();
    net = zmq_ctx_new();
    void *news = zg_socket(ctx, ZMQ_PULL);
    zg_set(news, ZMQ_RCVHWM, 0);
    zg_must(zmq_bind(news, "inproc://news"));
    tspstore_open(zg_value['d']);
    look_through();
    printf("I: titanic stores in %s\n", zg_value['d']);
    struct duty duties[THREADS] = {
        { "titanic.request", on_request, workers },
        { "titanic.reply", on_reply, 4 },
        { "titanic.close", on_close, 2 },
    };
    for (int i = 0; i < THREADS; i++)
        threads[i] = zg_thread(run, &duties[i]);
    tspdispatch(ctx, zg_value[0], patience, news);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    zmq_close(news);
    zmq_ctx_term(net);
    tspstore_close();
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
