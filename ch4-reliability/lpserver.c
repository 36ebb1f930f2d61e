/* SPDX-License-Identifier: 0BSD */
/* lpserver.c - Lazy Pirate server: does its work, until it does not.
 *
 *     REQ lpclient ---> REP lpserver
 *                  5555   (this)
 *
 * It answers each request with the request itself, after a while. From the
 * fourth request on it is now and then too slow for its client, or crashes.
 * (Run it in a loop to have it back: while :; do bin/lpserver; done)
 *
 * Build: cc -Icommon ch4-reliability/lpserver.c -o lpserver -lzmq -lpthread
 *
 * Try it:
 *     $ bin/lpserver & bin/lpclient -n 3
 *     I: server bound to tcp://127.0.0.1:5555
 *     I: normal request (1)
 *     I: server replied OK (1)
 *     I: normal request (2)
 *     I: server replied OK (2)
 *     I: normal request (3)
 *     I: server replied OK (3)
 *
 * Guide: chapter 4, "Client-Side Reliability (Lazy Pirate Pattern)".
 */
#include "zg.h"

static const char usage[] =
    "lpserver [-t MS] [-f PERCENT] [-s SEED] [ENDPOINT]\n"
    "Echoes requests, and now and then is overloaded or crashes.\n"
    "  -t MS       work per request (1000)\n"
    "  -f PERCENT  chance of a fault, from the fourth request on (55)\n"
    "  -s SEED     for the faults\n"
    "  ENDPOINT    bind (tcp://127.0.0.1:5555)\n"
    "Peers: lpclient ENDPOINT\n";

/* A crash says no goodbye: what was to be sent is lost. */
static void have_a_fault(void *server)
{
    if (random() % 2) {
        printf("I: simulating a crash\n");
        _exit(EXIT_FAILURE);
    }
    printf("I: simulating CPU overload\n");
    zg_sleep(server, 2 * zg_number('t'));
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long work = zg_number('t'), faults = zg_number('f');
    void *ctx = zg_start(), *server = zg_socket(ctx, ZMQ_REP);
    zg_msg msg = { 0 };

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    zg_bind(server, "server", zg_value[0]);
    for (long n = 1; zg_recv(&msg, server, 0); n++) {
        if (msg.count == 0) { /* a REP socket has to answer this too */
            zg_drop(&msg, "a client");
            zg_insert(&msg, 0, "", 0);
        }
        if (n > 3 && random() % 100 < faults)
            have_a_fault(server);
        int size = (int) zmq_msg_size(&msg.frame[0]);
        printf("I: normal request (%.*s)\n", size < 20 ? size : 20,
               (char *) zmq_msg_data(&msg.frame[0]));
        if (!zg_sleep(server, work) || !zg_send(&msg, server, 0))
            break;
    }
    zg_clear(&msg);
    zmq_close(server);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
