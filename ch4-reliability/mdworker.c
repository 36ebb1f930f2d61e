/* SPDX-License-Identifier: 0BSD */
/* mdworker.c - Majordomo worker: a service that sends back what it gets.
 *
 *     REQ mdclient ---> ROUTER mdbroker <--- DEALER mdworker
 *                         5555                   (this)
 *
 * Build: cc -Icommon ch4-reliability/mdworker.c ch4-reliability/mdwrkapi.c
 *           -o mdworker -lzmq -lpthread
 *
 * Try it: see mdclient.c.
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#include "mdwrkapi.h"

static const char usage[] =
    "mdworker [-t MS] [-i MS] [-l N] [-v] [ENDPOINT [SERVICE]]\n"
    "Offers an echo service to a Majordomo broker.\n"
    "  -t MS     work on each request so long (0)\n"
    "  -i MS     heartbeat interval, the broker's (2500)\n"
    "  -l N      so many of silence, and the broker is gone (3)\n"
    "  -v        print every message\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "  SERVICE   name (echo)\n"
    "Peers: mdbroker ENDPOINT, mdclient ENDPOINT\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long work = zg_number('t');
    void *ctx = zg_start();
    mdwrk worker = mdwrk_new(ctx, zg_value[0], zg_value[1]);
    zg_msg msg = { 0 };

    worker.heartbeat = worker.reconnect = zg_number('i');
    worker.liveness = zg_number('l');
    worker.verbose = zg_value['v'] != NULL;
    while (mdwrk_recv(&worker, &msg)) {
        if (work > 0) {
            puts("I: working");
            if (!zg_sleep(worker.stop, work))
                break;
        }
    }
    zg_clear(&msg);
    mdwrk_destroy(&worker);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
