/* SPDX-License-Identifier: 0BSD */
/* mdclient2.c - asynchronous Majordomo client: keeps many requests under way.
 *
 *     DEALER mdclient2 ---> ROUTER mdbroker <--- DEALER mdworkers
 *            (this)          5555
 *
 * The client sends the next request without waiting for a reply, so it is many
 * times as fast as mdclient. A window (-o) limits the requests that have no
 * reply yet. Without it, the broker would have to queue all of them: it drops
 * requests beyond 10,000 of a service. If the client stops reading, it also
 * drops replies.
 *
 * The client never sends a request again: if a reply is lost, it gives up.
 * mdclient.c retries.
 *
 * Build: cc -Icommon ch4-reliability/mdclient2.c ch4-reliability/mdcliapi2.c
 *           -o mdclient2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/mdbroker & bin/mdworker & bin/mdclient2 -n 10000
 *     I: broker bound to tcp://127.0.0.1:5555
 *     10000 replies received
 *
 * Guide: chapter 4, "Asynchronous Majordomo Pattern".
 */
#include "mdcliapi2.h"

static const char usage[] =
    "mdclient2 [-n COUNT] [-z BYTES] [-o N] [-t MS] [-v] [ENDPOINT [SERVICE]]\n"
    "Sends requests to a Majordomo service without waiting for each reply.\n"
    "  -n COUNT  requests (100000)\n"
    "  -z BYTES  size of a request (11)\n"
    "  -o N      requests without a reply, at most (1000)\n"
    "  -t MS     timeout of the next reply (2500)\n"
    "  -v        print every message\n"
    "  ENDPOINT  connect to mdbroker (tcp://localhost:5555)\n"
    "  SERVICE   name of the service (echo)\n"
    "Peers: mdbroker ENDPOINT, mdworker ENDPOINT\n";

static char hello[1 << 20];

/* Send one request. False if the socket is full. */
static bool send_request(mdcli2 *client, size_t size)
{
    zg_msg msg = { 0 };

    zg_insert(&msg, 0, hello, size);
    bool sent = mdcli2_send(client, zg_value[1], &msg);
    zg_clear(&msg);
    return sent;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), window = zg_number('o');
    long size = zg_number('z'), sent = 0, received = 0;
    if (size > (long) sizeof hello || window == 0 || zg_number('t') == 0)
        zg_usage_error();
    void *ctx = zg_start();
    mdcli2 client = mdcli2_new(ctx, zg_value[0]);
    zg_msg reply = { 0 };

    for (long i = 0; i < size; i++)
        hello[i] = "Hello world"[i % 11];
    client.timeout = zg_number('t');
    client.verbose = zg_value['v'] != NULL;
    while (received < count) {
        while (sent < count && sent - received < window
               && send_request(&client, size))
            sent++;
        if (!mdcli2_recv(&client, &reply))
            break;
        if (++received % 10000 == 0)
            printf("I: %ld replies so far\n", received);
    }
    bool gave_up = received < count && errno != ETERM;
    printf("%ld replies received\n", received);
    zg_clear(&reply);
    mdcli2_destroy(&client);
    zg_stop(ctx);
    return gave_up;
}
