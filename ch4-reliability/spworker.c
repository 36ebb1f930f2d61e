/* SPDX-License-Identifier: 0BSD */
/* spworker.c - Simple Pirate worker: says READY, then works until it dies.
 *
 *     REQ lpclients ---> ROUTER spqueue ROUTER <--- REQ spworker
 *                   5555                  5556        (this)
 *
 * A worker that asks is a REQ socket, and libzmq gives each its own id in the
 * queue: any number can be started at the same time. But REQ must wait for its
 * turn. When the queue is gone the worker waits for ever, and to a new queue
 * it never says READY: for that see ppworker.c.
 *
 * From the fourth request on it is now and then too slow, or crashes.
 *
 * Build: cc -Icommon ch4-reliability/spworker.c -o spworker -lzmq -lpthread
 *
 * Try it:
 *     $ bin/spqueue & bin/spworker & bin/lpclient -n 2
 *     I: frontend bound to tcp://127.0.0.1:5555
 *     I: backend bound to tcp://127.0.0.1:5556
 *     I: working
 *     I: normal reply
 *     I: server replied OK (1)
 *     I: working
 *     I: normal reply
 *     I: server replied OK (2)
 *
 * Guide: chapter 4, "Basic Reliable Queuing (Simple Pirate Pattern)".
 */
#include "zg.h"

static const char usage[] =
    "spworker [-t MS] [-f PERCENT] [-s SEED] [BACKEND]\n"
    "Echoes requests from spqueue, and now and then is overloaded or crashes.\n"
    "  -t MS       work per request (1000)\n"
    "  -f PERCENT  chance of a fault, from the fourth request on (36)\n"
    "  -s SEED     for the faults\n"
    "  BACKEND     connect to spqueue (tcp://localhost:5556)\n"
    "Peers: spqueue ipc://frontend BACKEND, lpclient ipc://frontend\n";

static long work_ms, faults;

/* A crash says no goodbye: what was to be sent is lost. */
static void have_a_fault(void *queue)
{
    if (random() % 2) {
        printf("I: simulating a crash\n");
        _exit(EXIT_FAILURE);
    }
    printf("I: simulating CPU overload\n");
    zg_sleep(queue, 3 * work_ms);
}

/* Read one request and turn it into the reply: [client][][body...] as it is,
 * or into READY if it makes no sense. False when the program stops. */
static bool serve(void *queue, zg_msg *msg)
{
    static long requests;

    if (!zg_recv(msg, queue, 0))
        return false;
    if (msg->count < 3 || !zg_is(msg, 1, "")) {
        zg_drop(msg, "the queue");
        zg_clear(msg);
        zg_insert(msg, 0, "\001", 1);
        return true;
    }
    printf("I: working\n");
    if (++requests > 3 && random() % 100 < faults)
        have_a_fault(queue);
    if (!zg_sleep(queue, work_ms))
        return false;
    printf("I: normal reply\n");
    return true;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    work_ms = zg_number('t');
    faults = zg_number('f');
    void *ctx = zg_start(), *queue = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    zg_connect(queue, zg_value[0]);
    zg_insert(&msg, 0, "\001", 1); /* READY */
    printf("I: worker ready\n");
    while (zg_send(&msg, queue, 0) && serve(queue, &msg))
        ;
    zg_clear(&msg);
    zmq_close(queue);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
