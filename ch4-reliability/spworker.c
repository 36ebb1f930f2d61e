/* SPDX-License-Identifier: 0BSD */
/* spworker.c - Simple Pirate worker: registers, then echoes requests.
 *
 *     REQ lpclients ---> ROUTER spqueue ROUTER <--- REQ spworker
 *                   5555                  5556        (this)
 *
 * The worker is a REQ socket: it sends READY, then receives a request, sends
 * the reply, receives the next request, and so on. From the fourth request on
 * it simulates faults, at random: it works three seconds, which is longer than
 * lpclient waits, or it crashes without a reply.
 *
 * If the queue dies while the worker is idle, the worker waits without end. A
 * new queue does not know the worker, and the REQ socket cannot send READY
 * again. The same happens if the queue sends a message without an empty frame:
 * libzmq then reconnects the socket. ppworker.c registers again.
 *
 * Build: cc -Icommon ch4-reliability/spworker.c -o spworker -lzmq -lpthread
 *
 * Try it:
 *     $ bin/spqueue & bin/spworker & bin/lpclient -n 2
 *     I: frontend bound to tcp://127.0.0.1:5555
 *     I: backend bound to tcp://127.0.0.1:5556
 *     I: working
 *     I: done
 *     I: reply 1
 *     I: working
 *     I: done
 *     I: reply 2
 *
 * Guide: chapter 4, "Basic Reliable Queuing (Simple Pirate Pattern)".
 */
#include "zg.h"

static const char usage[] =
    "spworker [-t MS] [-f PERCENT] [-s SEED] [BACKEND]\n"
    "Echoes requests from spqueue, and simulates overload and crashes.\n"
    "  -t MS       work per request (1000)\n"
    "  -f PERCENT  chance of a fault, from the fourth request on (36)\n"
    "  -s SEED     of the faults\n"
    "  BACKEND     connect to spqueue (tcp://localhost:5556)\n"
    "Peers: spqueue ipc://frontend BACKEND, lpclient ipc://frontend\n";

enum { PAUSE_MS = 200 }; /* after a message that is not a request */

static long work_ms, faults;

/* Exit without a reply, or return after twice the usual work. */
static void simulate_fault(void *queue)
{
    if (random() % 2) {
        printf("I: simulated fault: crash\n");
        _exit(EXIT_FAILURE);
    }
    printf("I: simulated fault: overload\n");
    zg_sleep(queue, 2 * work_ms);
}

/* Work for work_ms. False on shutdown. */
static bool work(void *queue)
{
    static long requests;

    printf("I: working\n");
    if (++requests > 3 && random() % 100 < faults)
        simulate_fault(queue);
    if (!zg_sleep(queue, work_ms))
        return false;
    printf("I: done\n");
    return true;
}

/* Receive a request and turn it into the reply: [client][][body...] unchanged.
 * A REQ socket must answer any other message too: send READY, after a pause,
 * since the peer may be the queue's frontend, which returns it at once. */
static bool serve(void *queue, zg_msg *msg)
{
    if (!zg_recv(msg, queue, 0))
        return false;
    if (zg_delimiter(msg, 1) > 0)
        return work(queue);
    zg_drop(msg, "the queue");
    zg_insert(msg, 0, "\001", 1);
    return zg_sleep(queue, PAUSE_MS);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    work_ms = zg_number('t');
    faults = zg_number('f');
    if (faults > 100)
        zg_usage_error();
    void *ctx = zg_start(), *queue = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    zg_connect(queue, zg_value[0]);
    printf("I: registering with %s\n", zg_value[0]);
    zg_insert(&msg, 0, "\001", 1); /* READY */
    while (zg_send(&msg, queue, 0) && serve(queue, &msg))
        ;
    zg_clear(&msg);
    zmq_close(queue);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
