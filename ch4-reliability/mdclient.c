/* SPDX-License-Identifier: 0BSD */
/* mdclient.c - Majordomo client: sends each request when the last was answered.
 *
 *     REQ mdclient ---> ROUTER mdbroker <--- DEALER mdworker
 *          (this)         5555
 *
 * The client names a service, and the broker finds a worker for it. If no reply
 * arrives in time, the client sends the request again on a new socket, and
 * gives up after three tries. A request may therefore be executed more than
 * once.
 *
 * Nearly all of the time is spent waiting for one message to make its round
 * trip. mdclient2.c keeps many requests under way.
 *
 * Build: cc -Icommon ch4-reliability/mdclient.c ch4-reliability/mdcliapi.c
 *           -o mdclient -lzmq -lpthread
 *
 * Try it:
 *     $ bin/mdbroker & bin/mdworker & bin/mdclient -n 1000
 *     I: broker bound to tcp://127.0.0.1:5555
 *     I: echo: worker registered
 *     1000 requests/replies processed
 *
 * Guide: chapter 4, "Service-Oriented Reliable Queuing (Majordomo Pattern)".
 */
#include "mdcliapi.h"

static const char usage[] =
    "mdclient [-n COUNT] [-z BYTES] [-t MS] [-r N] [-v] [ENDPOINT [SERVICE]]\n"
    "Sends requests to a Majordomo service, each after the last reply.\n"
    "  -n COUNT  requests (100000)\n"
    "  -z BYTES  size of a request (11)\n"
    "  -t MS     timeout of each try (2500)\n"
    "  -r N      tries per request (3)\n"
    "  -v        print every message\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "  SERVICE   name of the service (echo)\n"
    "Peers: mdbroker ENDPOINT, mdworker ENDPOINT\n";

static char hello[1 << 20];

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), size = zg_number('z'), done = 0;
    if (size > (long) sizeof hello || zg_number('t') == 0
        || zg_number('r') == 0)
        zg_usage_error();
    void *ctx = zg_start();
    mdcli client = mdcli_new(ctx, zg_value[0]);
    zg_msg msg = { 0 };

    for (long i = 0; i < size; i++)
        hello[i] = "Hello world"[i % 11];
    client.timeout = zg_number('t');
    client.tries = zg_number('r');
    client.verbose = zg_value['v'] != NULL;
    while (done < count) {
        zg_insert(&msg, 0, hello, (size_t) size);
        if (!mdcli_send(&client, zg_value[1], &msg))
            break;
        zg_clear(&msg);
        if (++done % 10000 == 0)
            printf("I: %ld replies so far\n", done);
    }
    bool gave_up = done < count && errno != ETERM;
    printf("%ld requests/replies processed\n", done);
    zg_clear(&msg);
    mdcli_destroy(&client);
    zg_stop(ctx);
    return gave_up;
}
