/* SPDX-License-Identifier: 0BSD */
/* mmiecho.c - asks a Majordomo broker whether a service is there.
 *
 *     REQ mmiecho ---> ROUTER mdbroker
 *        (this)         5555
 *
 * The broker itself offers services, of names that begin with "mmi.", and they
 * are asked like any other: discovery took no change to the protocol. RFC 8.
 *     200  the service has a worker, waiting or busy
 *     404  it has none
 *     501  the broker has no such mmi service
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
    "Asks a Majordomo broker whether a service is there: 200 or 404.\n"
    "  -t MS     time to wait for a reply (2500)\n"
    "  -r N      tries in all (3)\n"
    "  -v        print every message\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "  SERVICE   to look up (echo)\n"
    "Peers: mdbroker ENDPOINT, mdworker ENDPOINT\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
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
        fprintf(stderr, "E: no broker at %s\n", zg_value[0]);
    zg_clear(&msg);
    mdcli_destroy(&client);
    zg_stop(ctx);
    return gave_up;
}
