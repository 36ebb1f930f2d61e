/* SPDX-License-Identifier: 0BSD */
/* flclient1.c - asks one server after the other, until one answers.
 *
 *     REQ flclient1 (this) ---> REP flserver1    first try
 *                          ...> REP flserver1    second try, and so on
 *
 * The simplest that works without a broker. A dead server costs each request
 * that begins there a second; so this is for lists with the best one first.
 *
 * Build: cc -Icommon ch4-reliability/flclient1.c -o flclient1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/flserver1 tcp://127.0.0.1:5556 &
 *     $ bin/flclient1 tcp://localhost:5555 tcp://localhost:5556
 *     I: trying tcp://localhost:5555
 *     W: no response from tcp://localhost:5555
 *     I: trying tcp://localhost:5556
 *     Service is running OK
 *
 * Guide: chapter 4, "Model One: Simple Retry and Failover".
 */
#include "zg.h"

static const char usage[] =
    "flclient1 [-t MS] [-r N] ENDPOINT...\n"
    "Asks each server in turn for an echo, until one answers.\n"
    "  -t MS        how long to wait for each (1000)\n"
    "  -r N         how often to try, if there is but one server (3)\n"
    "  ENDPOINT...  connect\n"
    "Peers: flserver1 ENDPOINT...\n";

static const char request[] = "Hello world";

/* 1: it answered, 0: it did not, -1: the program is to stop. */
static int try(void *ctx, const char *server)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);
    zmq_pollitem_t item = { sock, 0, ZMQ_POLLIN, 0 };
    zg_msg msg = { 0 };
    int answered;

    printf("I: trying %s\n", server);
    zg_set(sock, ZMQ_LINGER, 0); /* what is given up must not arrive later */
    zg_connect(sock, server);
    zmq_send(sock, request, strlen(request), 0);
    answered = zg_poll(&item, 1, zg_now() + zg_number('t'));
    if (answered == 1 && zg_recv(&msg, sock, ZMQ_DONTWAIT)
        && !(msg.count == 1 && zg_is(&msg, 0, request))) {
        zg_drop(&msg, server);
        answered = 0;
    }
    if (answered == 0)
        fprintf(stderr, "W: no response from %s\n", server);
    zg_clear(&msg);
    zmq_close(sock);
    return answered;
}

int main(int argc, char *argv[])
{
    char **server = zg_args(argc, argv, usage);
    long tries = zg_number('r');
    int answered = 0;
    void *ctx;

    zg_number('t');
    if (server[0] == NULL)
        zg_usage_error();
    ctx = zg_start();
    if (server[1] == NULL)
        while (answered == 0 && tries-- > 0)
            answered = try(ctx, server[0]);
    else
        while (answered == 0 && *server != NULL)
            answered = try(ctx, *server++);
    if (answered == 1)
        puts("Service is running OK");
    zg_stop(ctx);
    return answered == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
