/* SPDX-License-Identifier: 0BSD */
/* ppworker.c - Paranoid Pirate worker: outlives its queue.
 *
 *     REQ lpclients ---> ROUTER ppqueue ROUTER <--- DEALER ppworker
 *                   5555                  5556        (this)
 *
 * It sends a heartbeat every second, while it works too, and expects as many.
 * When it has heard nothing for three seconds, it leaves the queue for dead:
 * closes the socket with all that waits there, pauses, and says READY on a new
 * one. Each pause is twice as long as the last, up to 32 seconds, give or take
 * a tenth, so that a thousand workers do not come back at the same moment.
 *
 * From the fourth request on it now and then crashes, or is too busy even for
 * heartbeats.
 *
 * Build: cc -Icommon ch4-reliability/ppworker.c -o ppworker -lzmq -lpthread
 *
 * Try it:
 *     $ bin/ppqueue & bin/ppworker & bin/lpclient -n 2
 *     I: frontend bound to tcp://127.0.0.1:5555
 *     I: backend bound to tcp://127.0.0.1:5556
 *     I: working
 *     I: normal reply
 *     I: server replied OK (1)
 *     I: working
 *     I: normal reply
 *     I: server replied OK (2)
 *
 * Guide: chapter 4, "Robust Reliable Queuing (Paranoid Pirate Pattern)".
 */
#include "ppp.h"

static const char usage[] =
    "ppworker [-i MS] [-l N] [-t MS] [-f PERCENT] [-s SEED] [BACKEND]\n"
    "Echoes requests from ppqueue, with heartbeats and now and then a fault.\n"
    "  -i MS       heartbeat interval (1000)\n"
    "  -l N        liveness: intervals of silence that mean death (3)\n"
    "  -t MS       work per request (1000)\n"
    "  -f PERCENT  chance of a fault, from the fourth request on (36)\n"
    "  -s SEED     for the faults\n"
    "  BACKEND     connect to ppqueue (tcp://localhost:5556)\n"
    "Peers: ppqueue ipc://frontend BACKEND, lpclient ipc://frontend\n";

enum { MIN_PAUSE_MS = 1000, MAX_PAUSE_MS = 32000 };

static long work_ms, faults, pause_ms = MIN_PAUSE_MS;
static int64_t interval, patience;
static int64_t beat_at; /* our next heartbeat is due */
static int64_t dead_at; /* the queue is dead, if it says nothing before */

/* Wait for these events until then, or until after the next heartbeat. */
static int heartbeat(void *queue, short events, int64_t until)
{
    zmq_pollitem_t item = { queue, 0, events, 0 };

    if (zg_now() >= beat_at) {
        zmq_send(queue, PPP_HEARTBEAT, 1, ZMQ_DONTWAIT);
        beat_at = zg_now() + interval;
    }
    return zg_poll(&item, 1, until < beat_at ? until : beat_at);
}

/* A crash says no goodbye: what was to be sent is lost. */
static void have_a_fault(void *queue)
{
    if (random() % 2) {
        printf("I: simulating a crash\n");
        _exit(EXIT_FAILURE);
    }
    printf("I: simulating CPU overload\n");
    zg_sleep(queue, (long) (patience + interval));
}

/* Work is a wait here. What comes meanwhile has to wait in the socket. */
static bool work(void *queue)
{
    static long requests;
    int64_t done = zg_now() + work_ms;

    printf("I: working\n");
    if (++requests > 3 && random() % 100 < faults)
        have_a_fault(queue);
    while (zg_now() < done)
        if (heartbeat(queue, ZMQ_POLLERR, done) == -1)
            return false;
    printf("I: normal reply\n");
    return true;
}

/* Read [HEARTBEAT], or [client][][body...] and send that back; false to stop.
 * What came while we worked is not read yet: so silence begins after that. */
static bool from_queue(void *queue)
{
    zg_msg msg = { 0 };
    bool go_on = true;

    if (!zg_recv(&msg, queue, ZMQ_DONTWAIT))
        return true;
    if (ppp_has_body(&msg, 0))
        go_on = work(queue) && zg_send(&msg, queue, 0);
    else if (msg.count != 1 || !zg_is(&msg, 0, PPP_HEARTBEAT))
        zg_drop(&msg, "the queue");
    zg_clear(&msg);
    dead_at = zg_now() + patience;
    pause_ms = MIN_PAUSE_MS;
    return go_on;
}

/* Serve on a new connection; false to stop, true when the queue is silent. */
static bool serve(void *queue)
{
    zg_connect(queue, zg_value[0]);
    zmq_send(queue, PPP_READY, 1, 0);
    printf("I: worker ready\n");
    beat_at = zg_now() + interval;
    dead_at = zg_now() + patience;
    while (zg_now() < dead_at)
        if (heartbeat(queue, ZMQ_POLLIN, dead_at) == -1 || !from_queue(queue))
            return false;
    return true;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    interval = zg_number('i');
    patience = interval * zg_number('l');
    work_ms = zg_number('t');
    faults = zg_number('f');
    if (patience == 0)
        zg_usage_error();
    void *ctx = zg_start(), *queue = zg_socket(ctx, ZMQ_DEALER);

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    while (serve(queue)) {
        fprintf(stderr, "W: queue is silent, reconnecting in %ld ms\n",
                pause_ms);
        zg_set(queue, ZMQ_LINGER, 0); /* old heartbeats are of no use */
        zmq_close(queue);
        queue = zg_socket(ctx, ZMQ_DEALER);
        if (!zg_sleep(queue, pause_ms * (90 + random() % 21) / 100))
            break;
        if (pause_ms < MAX_PAUSE_MS)
            pause_ms *= 2;
    }
    zmq_close(queue);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
