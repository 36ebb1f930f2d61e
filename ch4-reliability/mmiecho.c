/* SPDX-License-Identifier: 0BSD */
/* mmiecho.c - asks a Majordomo broker whether a service has a worker.
 *
 *     REQ mmiecho ---> ROUTER mdbroker
 *        (this)         5555
 *
 * The broker offers services of its own, whose names begin with "mmi.". A
 * client sends them requests like to any other service, so discovery needs no
 * change of the protocol (RFC 8). mmi.service replies with a status:
 *     200  the service has a worker, idle or busy
 *     404  the service has no worker
 *     501  the broker has no such mmi service
 * The worker may die after the reply: a client still needs a timeout.
 *
 * Build: cc -Icommon ch4-reliability/mmiecho.c ch4-reliability/mdcliapi.c
 *           -o mmiecho -lzmq -lpthread
 *
 * Try it:
 *     $ bin/mdbroker & bin/mmiecho; bin/mdworker & sleep 1; bin/mmiecho
 *     Lookup echo service: 404
 *     Lookup echo service: 200
 *
 * Guide: chapter 4, "Service Discovery".
 */
#include "mdcliapi.h"

static const char usage[] =
    "mmiecho [-t MS] [-r N] [-v] [ENDPOINT [SERVICE]]\n"
    "Asks a Majordomo broker whether a service has a worker: 200 or 404.\n"
    "  -t MS     timeout of each try (2500)\n"
    "  -r N      tries (3)\n"
    "  -v        print every message\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "  SERVICE   name of the service (echo)\n"
    "Peers: mdbroker ENDPOINT, mdworker ENDPOINT\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    if (zg_number('t') == 0 || zg_number('r') == 0)
        zg_usage_error();
    void *ctx = zg_start();
    mdcli client = mdcli_new(ctx, zg_value[0]);
    zg_msg msg = { 0 };
    char text[64];

    client.timeout = zg_number('t');
    client.tries = zg_number('r');
    client.verbose = zg_value['v'] != NULL;
    zg_insert(&msg, 0, zg_value[1], strlen(zg_value[1]));
    bool answered = mdcli_send(&client, "mmi.service", &msg);
    bool gave_up = !answered && errno != ETERM;
    if (answered)
        printf("Lookup %s service: %s\n", zg_value[1],
               zg_text(&msg.frame[0], text, sizeof text));
    if (gave_up)
        fprintf(stderr, "E: no reply from the broker at %s\n", zg_value[0]);
    zg_clear(&msg);
    mdcli_destroy(&client);
    zg_stop(ctx);
    return gave_up;
}
