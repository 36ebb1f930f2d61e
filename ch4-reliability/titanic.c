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
 * Many threads take requests, because Majordomo gives a worker one at a time;
 * one thread writes them all, many with one sync (tspstore.c); the main thread
 * brings them to their services (tspdispatch.c).
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
    "  -w N      requests that it takes at once (100)\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "Peers: mdbroker ENDPOINT, mdworker ENDPOINT, ticlient ENDPOINT\n";

enum { MAX_WORKERS = 300 };

static void *ctx;
static long interval;

static bool answer(zg_msg *msg, const char *status)
{
    mdp_cut(msg, 0);
    mdp_add(msg, status);
    return true;
}

/* titanic.request: [service][body...] becomes [200][uuid]. */
static bool on_request(void *writer, zg_msg *msg)
{
    if (msg->count < 2 || !mdp_is_name(&msg->frame[0]))
        return answer(msg, "400");
    if (!tspstore_request(writer, msg))
        return false;
    return zg_is(msg, 0, "200") || answer(msg, "500");
}

/* titanic.reply: [uuid] becomes [200][body...], or [300] not yet, or [400]. */
static bool on_reply(void *writer, zg_msg *msg)
{
    char uuid[TSP_UUID + 1] = "";

    (void) writer;
    if (msg->count != 1 || !tspstore_is_uuid(&msg->frame[0]))
        return answer(msg, "400");
    memcpy(uuid, zmq_msg_data(&msg->frame[0]), TSP_UUID);
    switch (tspstore_read_reply(uuid, msg)) {
    case 0:
        return answer(msg, "400");
    case 1:
        zg_insert(msg, 0, "200", 3);
        return true;
    case 2:
        return answer(msg, "300");
    default:
        return answer(msg, "500");
    }
}

/* titanic.close: [uuid] becomes [200]. */
static bool on_close(void *writer, zg_msg *msg)
{
    if (msg->count != 1 || !tspstore_is_uuid(&msg->frame[0]))
        return answer(msg, "400");
    if (!tspstore_delete(writer, msg))
        return false;
    return answer(msg, zg_is(msg, 0, "200") ? "200" : "500");
}

static void serve(const char *service, bool (*on)(void *, zg_msg *))
{
    mdwrk worker = mdwrk_new(ctx, zg_value[0], service);
    void *writer = tspstore_connect(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };

    worker.heartbeat = worker.reconnect = interval;
    while (mdwrk_recv(&worker, &msg) && on(writer, &msg))
        continue;
    zg_clear(&msg);
    zmq_close(writer);
    mdwrk_destroy(&worker);
}

static void *serve_request(void *arg)
{
    serve("titanic.request", on_request);
    return arg;
}

static void *serve_reply(void *arg)
{
    serve("titanic.reply", on_reply);
    return arg;
}

static void *serve_close(void *arg)
{
    serve("titanic.close", on_close);
    return arg;
}

int main(int argc, char *argv[])
{
    pthread_t threads[MAX_WORKERS + 6];

    zg_args(argc, argv, usage);
    int workers = (int) zg_number('w');
    long patience = zg_number('t');
    interval = zg_number('i');
    if (workers < 1 || workers > MAX_WORKERS || interval == 0)
        zg_misused();
    ctx = zg_start();
    void *news = zg_socket(ctx, ZMQ_PULL);
    zg_set(news, ZMQ_RCVHWM, 0);
    zg_must(zmq_bind(news, "inproc://news"));
    tspstore_open(ctx, zg_value['d']);
    printf("I: titanic stores in %s\n", zg_value['d']);
    for (int i = 0; i < workers + 6; i++)
        threads[i] = zg_thread(i < workers       ? serve_request
                               : i < workers + 4 ? serve_reply
                                                 : serve_close,
                               NULL);
    tspdispatch(ctx, zg_value[0], patience, news);
    for (int i = 0; i < workers + 6; i++)
        pthread_join(threads[i], NULL);
    zmq_close(news);
    tspstore_close();
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
