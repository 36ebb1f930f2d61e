/* SPDX-License-Identifier: 0BSD */
/* lpclient.c - Lazy Pirate client: no reply in time, so it asks again.
 *
 *     REQ lpclient ---> REP lpserver, or the ROUTER of a queue
 *        (this)    5555
 *
 * A REQ socket that has asked can only wait. To ask again the client throws it
 * away and connects a new one. A late reply then comes to a connection that is
 * closed: what a new socket receives cannot be the answer to an older request.
 *
 * The server may get a request twice, and does not know. What must not happen
 * twice needs a name that the server remembers.
 *
 * Build: cc -Icommon ch4-reliability/lpclient.c -o lpclient -lzmq -lpthread
 *
 * Try it:
 *     $ bin/lpclient -t 500
 *     I: connecting to server...
 *     W: no response from server, retrying...
 *     I: connecting to server...
 *     W: no response from server, retrying...
 *     I: connecting to server...
 *     E: server seems to be offline, abandoning
 *
 * Guide: chapter 4, "Client-Side Reliability (Lazy Pirate Pattern)".
 */
#include "zg.h"

static const char usage[] =
    "lpclient [-n COUNT] [-t MS] [-r N] [ENDPOINT]\n"
    "Sends numbered requests, and each again until it is answered.\n"
    "  -n COUNT  requests, 0: no end (0)\n"
    "  -t MS     how long to wait for a reply (2500)\n"
    "  -r N      how often to send a request before giving up (3)\n"
    "  ENDPOINT  connect to lpserver, spqueue or ppqueue"
    " (tcp://localhost:5555)\n"
    "Peers: lpserver ENDPOINT\n";

static void *connect_to(void *ctx, const char *endpoint)
{
    void *server = zg_socket(ctx, ZMQ_REQ);

    zg_set(server, ZMQ_LINGER, 0); /* a request given up is not to be sent */
    zg_connect(server, endpoint);
    printf("I: connecting to server...\n");
    return server;
}

/* Returns 1 when the reply has come, 0 when time is up, -1 to stop. */
static int ask(void *server, long number, long timeout)
{
    int64_t until = zg_now() + timeout;
    zmq_pollitem_t item = { server, 0, ZMQ_POLLIN, 0 };
    zg_msg reply = { 0 };
    char request[24];
    int size = snprintf(request, sizeof request, "%ld", number), outcome;

    zmq_send(server, request, (size_t) size, 0);
    while ((outcome = zg_poll(&item, 1, until)) == 1) {
        if (!zg_recv(&reply, server, 0))
            continue;
        if (reply.count == 1 && zg_is(&reply, 0, request)) {
            printf("I: server replied OK (%s)\n", request);
            break;
        }
        zg_drop(&reply, "the server");
    }
    zg_clear(&reply);
    return outcome;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), timeout = zg_number('t');
    long left, tries = zg_number('r');
    int outcome = 1;
    void *ctx = zg_start(), *server = connect_to(ctx, zg_value[0]);

    for (long n = 1; outcome == 1 && (count == 0 || n <= count); n++) {
        left = tries;
        while ((outcome = ask(server, n, timeout)) == 0 && --left > 0) {
            fprintf(stderr, "W: no response from server, retrying...\n");
            zmq_close(server);
            server = connect_to(ctx, zg_value[0]);
        }
    }
    if (outcome == 0)
        fprintf(stderr, "E: server seems to be offline, abandoning\n");
    zmq_close(server);
    zg_stop(ctx);
    return outcome == 0;
}
