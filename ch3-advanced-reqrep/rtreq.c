/* SPDX-License-Identifier: 0BSD */
/* rtreq.c - manager that gives tasks to REQ workers, to each when it is idle.
 *
 *                             +--> REQ worker
 *     ROUTER rtreq (this) ----+--> REQ worker
 *                     5671    +--> REQ worker
 *
 * A worker sends "Hi Boss", and a task is the reply to that. So a worker never
 * has more than one task, and a fast worker gets more tasks than a slow one.
 * The manager answers with the frames that the ROUTER received, up to the empty
 * one:
 *     from worker [worker][][Hi Boss]        to worker [worker][][Work harder]
 * When the time is over it answers "Fired!" instead, and the workers stop.
 *
 * Any message means that a worker is idle; its text does not matter. A task
 * that a worker never finishes is lost: see ppqueue.c.
 *
 * rtdealer.c differs only in ask_for_task(), and in the type of its sockets.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/rtreq.c -o rtreq -lzmq -lpthread
 *
 * Try it:
 *     $ bin/rtreq -t 1000 -w 3
 *     I: manager bound to tcp://127.0.0.1:5671
 *     Completed: ... tasks
 *     Completed: ... tasks
 *     Completed: ... tasks
 *     Handed out: ... tasks
 *
 * Guide: chapter 3, "ROUTER Broker and REQ Workers".
 */
#include "zg.h"

static const char usage[] =
    "rtreq [-t MS] [-w N] [-s SEED] [ENDPOINT]\n"
    "Gives tasks to REQ workers, to each when it is idle.\n"
    "  -t MS     time during which there are tasks (5000)\n"
    "  -w N      workers to run, 0: serve others until stopped (10)\n"
    "  -s SEED   of the random lengths of the tasks\n"
    "  ENDPOINT  bind (tcp://127.0.0.1:5671)\n"
    "Peers: none needed\n";

enum { MAX_WORKERS = 500, WORKER_TYPE = ZMQ_REQ };

static void *ctx, *router;
static long run_ms;

/* Send [Hi Boss] and receive [task]. False on shutdown. */
static bool ask_for_task(void *manager, zg_msg *task)
{
    return zmq_send(manager, "Hi Boss", 7, 0) != -1
           && zg_recv(task, manager, 0);
}

/* Ask for tasks until fired. Each one takes up to half a second. */
static void *worker(void *arg)
{
    void *manager = zg_socket(ctx, WORKER_TYPE);
    zg_msg task = { 0 };
    int completed = 0;

    zg_connect(manager, "inproc://manager");
    while (ask_for_task(manager, &task) && !zg_is(&task, 0, "Fired!")
           && zg_sleep(manager, random() % 500 + 1))
        completed++;
    printf("Completed: %d tasks\n", completed);
    zg_clear(&task);
    zmq_close(manager);
    return arg;
}

/* Answer [worker][][Hi Boss] with [worker][][task], and any other message of a
 * worker alike, also one without an empty frame. */
static void *manage(void *arg)
{
    int64_t end = zg_now() + run_ms;
    zg_msg msg = { 0 };
    int tasks = 0;

    while (zg_recv(&msg, router, 0)) {
        bool work = zg_now() < end;
        int delimiter = zg_delimiter(&msg, 1);
        zg_cut(&msg, delimiter > 0 ? delimiter : 1);
        zg_insert(&msg, msg.count, "", 0);
        if (work)
            zg_insert(&msg, msg.count, "Work harder", 11);
        else
            zg_insert(&msg, msg.count, "Fired!", 6);
        if (zg_send(&msg, router, ZMQ_DONTWAIT))
            tasks += work;
        else if (errno != ETERM)
            fprintf(stderr, "W: task dropped: %s\n", zmq_strerror(errno));
    }
    printf("Handed out: %d tasks\n", tasks);
    zg_clear(&msg);
    return arg;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    pthread_t manager, workers[MAX_WORKERS];
    long worker_count = zg_number('w');

    run_ms = zg_number('t');
    if (worker_count > MAX_WORKERS)
        zg_usage_error();
    ctx = zg_start();
    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    router = zg_socket(ctx, ZMQ_ROUTER);
    zg_set(router, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(router, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    zg_must(zmq_bind(router, "inproc://manager"));
    zg_bind(router, "manager", zg_value[0]);
    manager = zg_thread(manage, NULL);
    for (int i = 0; i < worker_count; i++)
        workers[i] = zg_thread(worker, NULL);
    for (int i = 0; i < worker_count; i++)
        pthread_join(workers[i], NULL);
    if (worker_count > 0)
        zmq_ctx_shutdown(ctx); /* ends the manager */
    pthread_join(manager, NULL);
    zmq_close(router);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
