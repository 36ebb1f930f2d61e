/* SPDX-License-Identifier: 0BSD */
/* lpserver.c - Lazy Pirate server: an echo server that simulates faults.
 *
 *     REQ lpclient ---> REP lpserver
 *                  5555   (this)
 *
 * The server returns each request after one second of simulated work. From the
 * fourth request on it simulates faults, at random: it works three seconds,
 * which is longer than lpclient waits, or it crashes without a reply.
 *
 * While the server is down there is no service. To restart it after each crash:
 * while ! bin/lpserver; do :; done
 *
 * Build: cc -Icommon ch4-reliability/lpserver.c -o lpserver -lzmq -lpthread
 *
 * Try it:
 *     $ bin/lpserver & bin/lpclient -n 3
 *     I: server bound to tcp://127.0.0.1:5555
 *     I: request 1
 *     I: reply 1
 *     I: request 2
 *     I: reply 2
 *     I: request 3
 *     I: reply 3
 *
 * Guide: chapter 4, "Client-Side Reliability (Lazy Pirate Pattern)".
 */
#include "zg.h"

static const char usage[] =
    "lpserver [-t MS] [-f PERCENT] [-s SEED] [ENDPOINT]\n"
    "Echoes requests, and simulates overload and crashes.\n"
    "  -t MS       work per request (1000)\n"
    "  -f PERCENT  chance of a fault, from the fourth request on (55)\n"
    "  -s SEED     of the faults\n"
    "  ENDPOINT    bind (tcp://127.0.0.1:5555)\n"
    "Peers: lpclient ENDPOINT\n";

/* Exit without a reply, or return after twice the usual work. */
static void simulate_fault(void *server, long work)
{
    if (random() % 2) {
        printf("I: simulated fault: crash\n");
        _exit(EXIT_FAILURE);
    }
    printf("I: simulated fault: overload\n");
    zg_sleep(server, 2 * work);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long work = zg_number('t'), faults = zg_number('f');
    if (faults > 100)
        zg_usage_error();
    void *ctx = zg_start(), *server = zg_socket(ctx, ZMQ_REP);
    zg_msg msg = { 0 };
    char text[24];

    if (zg_value['s'] != NULL)
        srandom((unsigned) zg_number('s'));
    zg_bind(server, "server", zg_value[0]);
    for (long n = 1; zg_recv(&msg, server, 0); n++) {
        if (msg.count == 0) { /* too long; REP must answer it all the same */
            zg_drop(&msg, "a client");
            zg_insert(&msg, 0, "", 0);
        }
        if (n > 3 && random() % 100 < faults)
            simulate_fault(server, work);
        printf("I: request %s\n", zg_text(&msg.frame[0], text, sizeof text));
        if (!zg_sleep(server, work) || !zg_send(&msg, server, 0))
            break;
    }
    zg_clear(&msg);
    zmq_close(server);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
