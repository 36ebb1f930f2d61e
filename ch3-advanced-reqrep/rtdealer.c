/* SPDX-License-Identifier: 0BSD */
/* rtdealer.c - a ROUTER hands out work to DEALER workers, one task at a time.
 *
 *                                +--> DEALER worker
 *     ROUTER rtdealer (this) ----+--> DEALER worker      the frames are those
 *                        5671    +--> DEALER worker      of rtreq.c
 *
 * A DEALER adds nothing and waits for nothing: what a REQ socket did for the
 * worker, the empty frame and the strict turn of asking and hearing, it now
 * does itself. The manager cannot tell the difference, so that workers of both
 * kinds may come; and a worker could now hear something while it works.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/rtdealer.c -o rtdealer -lzmq -lpthread
 *
 * Try it:
 *     $ bin/rtdealer -t 1000 -w 3
 *     I: manager bound to tcp://127.0.0.1:5671
 *     Completed: ... tasks
 *     Completed: ... tasks
 *     Completed: ... tasks
 *     Handed out: ... tasks
 *
 * Guide: chapter 3, "ROUTER Broker and DEALER Workers".
 */
#include "zg.h"

static const char usage[] =
    "rtdealer [-t MS] [-w N] [-s SEED] [ENDPOINT]\n"
    "A ROUTER gives work to DEALER workers, to each when it is free.\n"
    "  -t MS     how long there is work (5000)\n"
    "  -w N      workers of its own, 0: until stopped (10)\n"
    "  -s SEED   for the length of the tasks\n"
    "  ENDPOINT  bind (tcp://127.0.0.1:5671)\n"
    "Peers: none, it plays them all\n";

enum { MAX_WORKERS = 500 };

static void *ctx;
static long run_ms;

/* Say [][Hi Boss], as a REQ socket would; the answer is [][order]. */
static bool ask_for_work(void *manager, zg_msg *order)
{
    return zmq_send(manager, "", 0, ZMQ_SNDMORE) != -1
           && zmq_send(manager, "Hi Boss", 7, 0) != -1
           && zg_recv(order, manager, 0);
}

/* Ask for work and do it, until fired or until the program stops. */
static void *worker(void *arg)
{
    void *manager = zg_socket(ctx, ZMQ_DEALER);
    zg_msg order = { 0 };
    int tasks = 0;

    (void) arg;
    zg_connect(manager, "inproc://office");
    while (ask_for_work(manager, &order) && !zg_is(&order, 1, "Fired!")
           && zg_sleep(manager, random() % 500 + 1))
        tasks++;
    printf("Completed: %d tasks\n", tasks);
    zg_clear(&order);
    zmq_close(manager);
    return NULL;
}

/* Answer whoever reports: work while there is time, then the sack. */
static void *manage(void *router)
{
    int64_t end = zg_now() + run_ms;
    zg_msg msg = { 0 };
    int tasks = 0;

    while (zg_recv(&msg, router, 0)) {
        /* [worker][][Hi Boss] */
        if (msg.count != 3 || !zg_is(&msg, 1, "")
            || !zg_is(&msg, 2, "Hi Boss")) {
            zg_drop(&msg, "a worker");
            continue;
        }
        bool work = zg_now() < end;
        zmq_msg_close(&msg.frame[--msg.count]);
        zg_insert(&msg, 2, work ? "Work harder" : "Fired!", work ? 11 : 6);
        tasks += zg_send(&msg, router, ZMQ_DONTWAIT) && work;
    }
    printf("Handed out: %d tasks\n", tasks);
    zg_clear(&msg);
    return NULL;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long workers = zg_number('w');
    run_ms = zg_number('t');
    ctx = zg_start();
    void *router = zg_socket(ctx, ZMQ_ROUTER);
    pthread_t manager, worker_thread[MAX_WORKERS];

    if (workers > MAX_WORKERS)
        zg_usage_error();
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    zg_set(router, ZMQ_ROUTER_MANDATORY, 1);
    zg_must(zmq_bind(router, "inproc://office"));
    zg_bind(router, "manager", zg_value[0]);
    manager = zg_thread(manage, router);
    for (int i = 0; i < workers; i++)
        worker_thread[i] = zg_thread(worker, NULL);
    for (int i = 0; i < workers; i++)
        pthread_join(worker_thread[i], NULL);
    if (workers > 0)
        zmq_ctx_shutdown(ctx); /* that ends the manager */
    pthread_join(manager, NULL);
    zmq_close(router);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
