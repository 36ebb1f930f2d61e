/* SPDX-License-Identifier: 0BSD */
/* lpclient.c - Lazy Pirate client: sends a request again if no reply arrives.
 *
 *     REQ lpclient ---> REP lpserver, or the ROUTER of spqueue or ppqueue
 *        (this)    5555
 *
 * The client waits for a reply with a timeout. A REQ socket that has sent a
 * request cannot send again before it has received a reply. After a timeout the
 * client therefore closes the socket, opens a new one and sends the same
 * request on that. A late reply belongs to the old connection, so it never
 * reaches the new socket. After three tries the client ends with exit status 1.
 *
 * A server that is slow receives the same request more than once. Lazy Pirate
 * does not detect such duplicates: see titanic.c for requests with an id. It
 * also knows only one server: see flclient1.c for several.
 *
 * Build: cc -Icommon ch4-reliability/lpclient.c -o lpclient -lzmq -lpthread
 *
 * Try it:
 *     $ bin/lpclient -t 500
 *     I: sending requests to tcp://localhost:5555
 *     W: no reply to request 1 in 500 ms, try 1 of 3
 *     W: no reply to request 1 in 500 ms, try 2 of 3
 *     W: no reply to request 1 in 500 ms, try 3 of 3
 *     E: the server does not reply
 *
 * Guide: chapter 4, "Client-Side Reliability (Lazy Pirate Pattern)".
 */
#include "zg.h"

static const char usage[] =
    "lpclient [-n COUNT] [-t MS] [-r N] [ENDPOINT]\n"
    "Sends numbered requests, and each one again until it is answered.\n"
    "  -n COUNT  requests, 0: until stopped (0)\n"
    "  -t MS     timeout of one try, at least 1 (2500)\n"
    "  -r N      tries per request, at least 1 (3)\n"
    "  ENDPOINT  connect to lpserver, spqueue or ppqueue"
    " (tcp://localhost:5555)\n"
    "Peers: lpserver ENDPOINT\n";

enum outcome { REPLIED, TIMED_OUT, STOPPED };

static long timeout, tries;

static void *connect_to_server(void *ctx)
{
    void *server = zg_socket(ctx, ZMQ_REQ);

    zg_set(server, ZMQ_LINGER, 0); /* discard a request that has timed out */
    zg_connect(server, zg_value[0]);
    return server;
}

/* Send a request, and wait until its reply arrives or the timeout is over. */
static enum outcome try_once(void *server, const char *request)
{
    int64_t deadline = zg_now() + timeout;
    zmq_pollitem_t item = { server, 0, ZMQ_POLLIN, 0 };
    zg_msg reply = { 0 };
    int ready;

    if (zmq_send(server, request, strlen(request), 0) == -1)
        return STOPPED; /* no reply is missing, so nothing else can fail */
    while ((ready = zg_poll(&item, 1, deadline)) > 0) {
        if (!zg_recv(&reply, server, ZMQ_DONTWAIT))
            continue;
        if (reply.count == 1 && zg_is(&reply, 0, request))
            break;
        /* A REQ socket receives one reply, so this try will time out. */
        zg_drop(&reply, "the server");
    }
    zg_clear(&reply);
    return ready > 0 ? REPLIED : ready == 0 ? TIMED_OUT : STOPPED;
}

/* Send a request up to `tries` times, from the second try on a new socket. */
static enum outcome ask(void *ctx, void **server, const char *request)
{
    for (long n = 1;; n++) {
        enum outcome outcome = try_once(*server, request);
        if (outcome == REPLIED)
            printf("I: reply %s\n", request);
        if (outcome != TIMED_OUT)
            return outcome;
        fprintf(stderr, "W: no reply to request %s in %ld ms, try %ld of %ld\n",
                request, timeout, n, tries);
        if (n == tries)
            return TIMED_OUT;
        zmq_close(*server);
        *server = connect_to_server(ctx);
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n');
    timeout = zg_number('t');
    tries = zg_number('r');
    if (timeout == 0 || tries == 0)
        zg_usage_error();
    void *ctx = zg_start(), *server = connect_to_server(ctx);
    enum outcome outcome = REPLIED;

    printf("I: sending requests to %s\n", zg_value[0]);
    for (long n = 1; outcome == REPLIED && (count == 0 || n <= count); n++) {
        char request[24];
        snprintf(request, sizeof request, "%ld", n);
        outcome = ask(ctx, &server, request);
    }
    if (outcome == TIMED_OUT)
        fprintf(stderr, "E: the server does not reply\n");
    zmq_close(server);
    zg_stop(ctx);
    return outcome == TIMED_OUT ? EXIT_FAILURE : EXIT_SUCCESS;
}
