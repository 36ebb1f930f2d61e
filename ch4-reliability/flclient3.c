/* SPDX-License-Identifier: 0BSD */
/* flclient3.c - asks any of several servers, and lets a class do the work.
 *
 *     flclient3 (this) - flcliapi ROUTER <---> ROUTER flserver3  5555
 *                                        <---> ROUTER flserver3  5556
 *                                        <---> ROUTER flserver3  5557
 *
 * A client of the third model sends each request to one server that is known to
 * live. See flcliapi.c, which is used like a function call here.
 *
 * Build: cc -Icommon ch4-reliability/flclient3.c ch4-reliability/flcliapi.c
 *           -o flclient3 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/flserver3 tcp://127.0.0.1:5556 tcp://localhost:5556 & bin/flclient3
 *     I: service bound to tcp://127.0.0.1:5556
 *     Average round trip cost: ... usec
 *
 * Guide: chapter 4, "Model Three: Complex and Nasty".
 */
#include "flcliapi.h"

static const char usage[] =
    "flclient3 [-n COUNT] [-t MS] [-i MS] [PUBLIC...]\n"
    "Sends each request to one server that is known to be alive.\n"
    "  -n COUNT   requests (10000)\n"
    "  -t MS      how long to wait for an answer (3000)\n"
    "  -i MS      between two PINGs of a server (2000)\n"
    "  PUBLIC...  connect to flserver3 (tcp://localhost:5555), :5556, :5557\n"
    "Peers: flserver3 PUBLIC...\n";

static char *three[] = { "tcp://localhost:5555", "tcp://localhost:5556",
                         "tcp://localhost:5557", NULL };

int main(int argc, char *argv[])
{
    char **server = zg_args(argc, argv, usage);
    long count = zg_number('n'), timeout = zg_number('t'), done = 0;
    long interval = zg_number('i');
    zg_msg msg = { 0 };

    void *ctx = zg_start();
    flcliapi *client = flcliapi_new(ctx, timeout, interval);
    for (server = *server != NULL ? server : three; *server != NULL; server++)
        flcliapi_connect(client, *server);
    int64_t start = zg_now();
    for (; done < count; done++) {
        zg_clear(&msg);
        zg_insert(&msg, 0, "random name", 11);
        if (!flcliapi_request(client, &msg))
            break;
    }
    bool gave_up = done < count && errno != ETERM;
    if (gave_up)
        fprintf(stderr, "E: no server answers, giving up\n");
    else if (done == count && count > 0)
        printf("Average round trip cost: %ld usec\n",
               (long) (zg_now() - start) * 1000 / count);
    zg_clear(&msg);
    flcliapi_destroy(&client);
    zg_stop(ctx);
    return gave_up ? EXIT_FAILURE : EXIT_SUCCESS;
}
