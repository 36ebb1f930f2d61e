/* SPDX-License-Identifier: 0BSD */
/* mdworker.c - Majordomo worker: offers a service that returns each request.
 *
 *     REQ mdclient ---> ROUTER mdbroker <--- DEALER mdworker
 *                         5555                   (this)
 *
 * mdwrk_recv() sends the reply to one request and waits for the next. The
 * worker class registers with the broker, and registers again if the broker
 * restarts. When it is stopped, the worker tells the broker, which gives its
 * request to another worker.
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
    "  -t MS     work per request (0)\n"
    "  -i MS     heartbeat interval, as in the broker (2500)\n"
    "  -l N      the broker has expired after N silent intervals (3)\n"
    "  -v        print every message\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "  SERVICE   name of the service (echo)\n"
    "Peers: mdbroker ENDPOINT, mdclient ENDPOINT\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long work = zg_number('t');
    if (zg_number('i') == 0 || zg_number('l') == 0)
        zg_usage_error();
    void *ctx = zg_start();
    mdwrk worker = mdwrk_new(ctx, zg_value[0], zg_value[1]);
    zg_msg msg = { 0 };

    worker.interval = zg_number('i');
    worker.liveness = zg_number('l');
    worker.verbose = zg_value['v'] != NULL;
    while (mdwrk_recv(&worker, &msg)) {
        if (work == 0)
            continue;
        puts("I: working");
        if (!zg_sleep(worker.stop, work))
            break;
    }
    zg_clear(&msg);
    mdwrk_destroy(&worker);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
