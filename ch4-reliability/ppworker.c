/* SPDX-License-Identifier: 0BSD */
/* ppworker.c - Paranoid Pirate worker: reconnects when its queue is silent.
 *
 *     REQ lpclients ---> ROUTER ppqueue ROUTER <--- DEALER ppworker
 *                   5555                  5556        (this)
 *
 * Worker and queue send each other a heartbeat every second; the worker also
 * while it is busy. If the queue is silent for three seconds the worker closes
 * its socket, which discards all unread messages. Then it pauses, opens a new
 * socket and sends READY. The pause is a second at first and doubles up to 32
 * seconds; it varies by a tenth, so that a thousand workers do not reconnect at
 * the same time.
 *
 * From the fourth request on the worker simulates faults, at random: it sends
 * no heartbeat for longer than the queue tolerates, or it crashes.
 *
 * Work is a wait here. A worker that computes needs a second thread for it,
 * because the heartbeats must continue.
 *
 * Build: cc -Icommon ch4-reliability/ppworker.c -o ppworker -lzmq -lpthread
 *
 * Try it:
 *     $ bin/ppqueue & bin/ppworker & bin/lpclient -n 2
 *     I: frontend bound to tcp://127.0.0.1:5555
 *     I: backend bound to tcp://127.0.0.1:5556
 *     I: working
 *     I: done
 *     I: reply 1
 *     I: working
 *     I: done
 *     I: reply 2
 *
 * Guide: chapter 4, "Robust Reliable Queuing (Paranoid Pirate Pattern)".
 */
#include "ppp.h"

static const char usage[] =
    "ppworker [-i MS] [-l N] [-t MS] [-f PERCENT] [-s SEED] [BACKEND]\n"
    "Echoes requests from ppqueue, with heartbeats and simulated faults.\n"
    "  -i MS       heartbeat interval, at least 1 (1000)\n"
    "  -l N        silent intervals until it reconnects, at least 1 (3)\n"
    "  -t MS       work per request (1000)\n"
    "  -f PERCENT  chance of a fault, from the fourth request on (36)\n"
    "  -s SEED     of the faults\n"
    "  BACKEND     connect to ppqueue (tcp://localhost:5556)\n"
    "Peers: ppqueue ipc://frontend BACKEND, lpclient ipc://frontend\n";

enum { MIN_PAUSE_MS = 1000, MAX_PAUSE_MS = 32000 };

static long work_ms, faults, pause_ms = MIN_PAUSE_MS;
static int64_t interval, timeout;
static int64_t heartbeat_at; /* when the next one is due */
static int64_t expiry;       /* when a silent queue has expired */

/* Send a heartbeat if one is due. Wait for `events` until the deadline, or
 * until the next heartbeat is due. Return -1 on shutdown. */
static int wait_with_heartbeats(void *queue, short events, int64_t deadline)
{
    zmq_pollitem_t item = { queue, 0, events, 0 };

    if (zg_now() >= heartbeat_at) {
        /* A full pipe has enough unsent heartbeats in it. */
        zmq_send(queue, PPP_HEARTBEAT, 1, ZMQ_DONTWAIT);
        heartbeat_at = zg_now() + interval;
    }
    return zg_poll(&item, 1, deadline < heartbeat_at ? deadline : heartbeat_at);
}

/* Exit without a reply, or return after a silence that the queue notices. */
static void simulate_fault(void *queue)
{
    zmq_pollitem_t none = { queue, 0, ZMQ_POLLERR, 0 };

    if (random() % 2) {
        printf("I: simulated fault: crash\n");
        _exit(EXIT_FAILURE);
    }
    printf("I: simulated fault: overload\n");
    zg_poll(&none, 1, zg_now() + timeout + 2 * interval);
}

/* Work for work_ms, with heartbeats. False on shutdown. */
static bool work(void *queue)
{
    static long requests;
    int64_t done_at = zg_now() + work_ms;

    printf("I: working\n");
    if (++requests > 3 && random() % 100 < faults)
        simulate_fault(queue);
    while (zg_now() < done_at)
        if (wait_with_heartbeats(queue, ZMQ_POLLERR, done_at) == -1)
            return false;
    printf("I: done\n");
    return true;
}

/* Receive [HEARTBEAT], or [client][][body...] and return that unchanged. Set
 * the expiry after the work: the heartbeats that arrived during it are still
 * unread. False on shutdown. */
static bool from_queue(void *queue)
{
    zg_msg msg = { 0 };
    bool is_running = true;

    if (!zg_recv(&msg, queue, ZMQ_DONTWAIT))
        return true;
    if (ppp_has_body(&msg, 0)) {
        is_running = work(queue);
        /* While the queue is disconnected, heartbeats can fill the pipe. */
        if (is_running && !zg_send(&msg, queue, ZMQ_DONTWAIT) && errno != ETERM)
            fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
    } else if (msg.count != 1 || !zg_is(&msg, 0, PPP_HEARTBEAT)) {
        zg_drop(&msg, "the queue");
    }
    zg_clear(&msg);
    expiry = zg_now() + timeout;
    pause_ms = MIN_PAUSE_MS;
    return is_running;
}

/* Register and serve on a new socket until the queue is silent. False on
 * shutdown. */
static bool serve(void *queue)
{
    zg_connect(queue, zg_value[0]);
    printf("I: registering with %s\n", zg_value[0]);
    if (zmq_send(queue, PPP_READY, 1, 0) == -1)
        return false; /* nothing else can fail on a new DEALER socket */
    heartbeat_at = zg_now() + interval;
    expiry = zg_now() + timeout;
    while (zg_now() < expiry)
        if (wait_with_heartbeats(queue, ZMQ_POLLIN, expiry) == -1
            || !from_queue(queue))
            return false;
    return true;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    interval = zg_number('i');
    timeout = interval * zg_number('l');
    work_ms = zg_number('t');
    faults = zg_number('f');
    if (timeout == 0 || faults > 100)
        zg_usage_error();
    void *ctx = zg_start(), *queue = zg_socket(ctx, ZMQ_DEALER);

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    while (serve(queue)) {
        fprintf(stderr, "W: queue is silent, new connection in about %ld ms\n",
                pause_ms);
        zg_set(queue, ZMQ_LINGER, 0); /* discard unsent heartbeats */
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
