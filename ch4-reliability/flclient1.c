/* SPDX-License-Identifier: 0BSD */
/* flclient1.c - Freelance model one: asks one server after the other.
 *
 *     REQ flclient1 (this) ---> REP flserver1    first try
 *                          ...> REP flserver1    second try, and so on
 *
 * The client sends its request to the first server and waits. If no reply
 * arrives in time, it opens a new socket to the next server. There is no broker
 * that could fail.
 *
 * Each unreachable server at the start of the list costs a timeout per request:
 * flclient2.c and flclient3.c avoid that.
 *
 * Build: cc -Icommon ch4-reliability/flclient1.c -o flclient1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/flserver1 tcp://127.0.0.1:5556 &
 *     $ bin/flclient1 tcp://localhost:5555 tcp://localhost:5556
 *     I: asking tcp://localhost:5555
 *     W: no reply from tcp://localhost:5555
 *     I: asking tcp://localhost:5556
 *     Reply from tcp://localhost:5556
 *
 * Guide: chapter 4, "Model One: Simple Retry and Failover".
 */
#include "zg.h"

static const char usage[] =
    "flclient1 [-t MS] [-r N] ENDPOINT...\n"
    "Sends a request to one server after the other until one replies.\n"
    "  -t MS        timeout of each server (1000)\n"
    "  -r N         tries, if there is only one server (3)\n"
    "  ENDPOINT...  connect\n"
    "Peers: flserver1 ENDPOINT...\n";

static const char request[] = "Hello world";

/* Return 1 if the reply arrived in time, 0 if not, -1 on shutdown. */
static int wait_for_reply(void *sock, void *stop, const char *server)
{
    zmq_pollitem_t items[] = { { sock, 0, ZMQ_POLLIN, 0 },
                               { stop, 0, ZMQ_POLLERR, 0 } };
    int ready = zg_poll(items, 2, zg_now() + zg_number('t'));
    zg_msg msg = { 0 };

    if (ready == 1 && zg_recv(&msg, sock, ZMQ_DONTWAIT) && msg.count == 1
        && zg_is(&msg, 0, request)) {
        printf("Reply from %s\n", server);
    } else if (ready == 1) {
        zg_drop(&msg, "the server");
        ready = 0;
    }
    if (ready == 0)
        fprintf(stderr, "W: no reply from %s\n", server);
    zg_clear(&msg);
    return ready;
}

static void *end_context(void *ctx)
{
    zmq_ctx_term(ctx);
    return NULL;
}

/* Ask one server, in a context of its own: looking up the name of a server may
 * take 30 s and delays all sockets of the context. For the same reason do not
 * wait for the context to end. Return as wait_for_reply(). */
static int ask(const char *server, void *stop)
{
    void *ctx = zmq_ctx_new(), *sock = zg_socket(ctx, ZMQ_REQ);

    printf("I: asking %s\n", server);
    zg_set(sock, ZMQ_LINGER, 0); /* do not send an abandoned request */
    zg_connect(sock, server);
    zmq_send(sock, request, strlen(request), 0);
    int outcome = wait_for_reply(sock, stop, server);
    zmq_close(sock);
    pthread_detach(zg_thread(end_context, ctx));
    return outcome;
}

int main(int argc, char *argv[])
{
    char **server = zg_args(argc, argv, usage);
    long tries = zg_number('r');
    int outcome = 0;

    if (server[0] == NULL || tries == 0 || zg_number('t') == 0)
        zg_usage_error();
    void *ctx = zg_start(), *stop = zg_socket(ctx, ZMQ_PAIR);
    if (server[1] == NULL)
        while (outcome == 0 && tries-- > 0)
            outcome = ask(server[0], stop);
    else
        while (outcome == 0 && *server != NULL)
            outcome = ask(*server++, stop);
    zmq_close(stop);
    zg_stop(ctx);
    return outcome == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
