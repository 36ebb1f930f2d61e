/* SPDX-License-Identifier: 0BSD */
/* flclient2.c - asks all servers at once and takes the first answer.
 *
 *     DEALER flclient2 (this) ===> REP flserver2    [][number][random name]
 *                             ===> REP flserver2
 *                             ===> REP flserver2    [][number][OK]
 *
 * No state is kept about servers: a dead one costs nothing, because a DEALER
 * deals the copies to those that are there. With ZMQ_IMMEDIATE this means those
 * that are connected, and nothing piles up for a server that comes later.
 *
 * Build: cc -Icommon ch4-reliability/flclient2.c -o flclient2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/flserver2 tcp://127.0.0.1:5556 &
 *     $ bin/flclient2 tcp://localhost:5555 tcp://localhost:5556
 *     Average round trip cost: ... usec
 *
 * Guide: chapter 4, "Model Two: Brutal Shotgun Massacre".
 */
#include "zg.h"

static const char usage[] =
    "flclient2 [-n COUNT] [-t MS] ENDPOINT...\n"
    "Sends each request to all servers and takes the first answer.\n"
    "  -n COUNT     requests (10000)\n"
    "  -t MS        how long to wait for an answer (2500)\n"
    "  ENDPOINT...  connect\n"
    "Peers: flserver2 ENDPOINT...\n";

/* A server that was asked may freeze, another may come: so ask again. */
enum { ASK_AGAIN_MS = 500 };

/* [][number][random name], a copy for each server; less if there are less.
 * Returns how many have gone out. */
static int blast(void *sock, const char *number, int copies)
{
    int sent = 0;

    while (sent < copies
           && zmq_send(sock, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 0) {
        zmq_send(sock, number, strlen(number), ZMQ_SNDMORE);
        zmq_send(sock, "random name", 11, 0);
        sent++;
    }
    return sent;
}

/* [][number][answer]: the others answer too, and late; that is no fault. */
static bool answered(void *sock, const char *number)
{
    zg_msg msg = { 0 };
    bool found = false;

    while (!found && zg_recv(&msg, sock, ZMQ_DONTWAIT))
        if (msg.count == 3 && zg_is(&msg, 0, ""))
            found = zg_is(&msg, 1, number);
        else
            zg_drop(&msg, "a server");
    zg_clear(&msg);
    return found;
}

/* 1: a server answered, 0: none did, -1: the program is to stop. */
static int request(void *sock, long sequence, int servers)
{
    int64_t end = zg_now() + zg_number('t'), again = 0;
    zmq_pollitem_t item = { sock, 0, ZMQ_POLLIN, 0 };
    char number[24];

    snprintf(number, sizeof number, "%ld", sequence);
    while (zg_now() < end) {
        if (zg_now() >= again) {
            bool sent = blast(sock, number, servers) > 0;
            item.events = sent ? ZMQ_POLLIN : ZMQ_POLLIN | ZMQ_POLLOUT;
            again = sent ? zg_now() + ASK_AGAIN_MS : 0;
        }
        if (zg_poll(&item, 1, again > 0 && again < end ? again : end) == -1)
            return -1;
        if (answered(sock, number))
            return 1;
    }
    return 0;
}

int main(int argc, char *argv[])
{
    char **endpoint = zg_args(argc, argv, usage);
    long count = zg_number('n'), sequence = 0;
    int servers = 0, status = 1;

    zg_number('t');
    if (*endpoint == NULL)
        zg_usage_error();
    void *ctx = zg_start(), *sock = zg_socket(ctx, ZMQ_DEALER);
    zg_set(sock, ZMQ_IMMEDIATE, 1);
    zg_set(sock, ZMQ_LINGER, 0);
    for (; *endpoint != NULL; endpoint++, servers++)
        zg_connect(sock, *endpoint);
    int64_t start = zg_now();
    while (sequence < count && status == 1)
        status = request(sock, ++sequence, servers);
    if (status == 1 && count > 0)
        printf("Average round trip cost: %ld usec\n",
               (long) (zg_now() - start) * 1000 / count);
    else if (status == 0)
        fprintf(stderr, "E: no server answers, giving up\n");
    zmq_close(sock);
    zg_stop(ctx);
    return status == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
