/* SPDX-License-Identifier: 0BSD */
/* flclient3.c - Freelance model three: asks one server that is known to be
 * alive.
 *
 *     flclient3 (this) - flcliapi DEALER <---> ROUTER flserver3  5555
 *                                 DEALER <---> ROUTER flserver3  5556
 *                                 DEALER <---> ROUTER flserver3  5557
 *
 * The class flcliapi pings all servers and sends each request to one that has
 * answered. If that server does not reply in time, the class sends the request
 * to the next one. So a request costs one server's work, and an unreachable
 * server does not delay it.
 *
 * A server that is slow may execute a request that another one executes, too.
 *
 * Build: cc -Icommon ch4-reliability/flclient3.c ch4-reliability/flcliapi.c
 *           -o flclient3 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/flserver3 tcp://127.0.0.1:5556 tcp://localhost:5556 & bin/flclient3
 *     I: server bound to tcp://127.0.0.1:5556
 *     Average round trip: ... us
 *
 * Guide: chapter 4, "Model Three: Complex and Nasty".
 */
#include "flcliapi.h"

static const char usage[] =
    "flclient3 [-n COUNT] [-t MS] [-i MS] [PUBLIC...]\n"
    "Sends each request to one server that answers pings.\n"
    "  -n COUNT   requests (10000)\n"
    "  -t MS      timeout of a request (3000)\n"
    "  -i MS      interval between PINGs to a server (2000)\n"
    "  PUBLIC...  connect to flserver3 (tcp://localhost:5555), :5556, :5557\n"
    "Peers: flserver3 PUBLIC...\n";

static char *defaults[] = { "tcp://localhost:5555", "tcp://localhost:5556",
                            "tcp://localhost:5557", NULL };

int main(int argc, char *argv[])
{
    char **server = zg_args(argc, argv, usage);
    long count = zg_number('n'), timeout = zg_number('t'), done = 0;
    long interval = zg_number('i');
    zg_msg msg = { 0 };

    if (timeout == 0 || interval == 0)
        zg_usage_error();
    void *ctx = zg_start();
    flcliapi *client = flcliapi_new(ctx, timeout, interval);
    for (server = *server != NULL ? server : defaults; *server != NULL;
         server++)
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
        fprintf(stderr, "E: no server replied\n");
    else if (done == count && count > 0)
        printf("Average round trip: %lld us\n",
               (long long) (zg_now() - start) * 1000 / count);
    zg_clear(&msg);
    flcliapi_destroy(&client);
    zg_stop(ctx);
    return gave_up ? EXIT_FAILURE : EXIT_SUCCESS;
}
