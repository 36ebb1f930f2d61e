/* SPDX-License-Identifier: 0BSD */
/* bstarcli.c - a client of a pair: asks one server, then the other.
 *
 *     REQ bstarcli (this) ----> ROUTER bstarsrv -p  5001
 *                         ....> ROUTER bstarsrv -b  5002
 *
 * The client is half of the failover. A server that does not answer is left,
 * but the other may not have noticed the silence yet: so the client waits for
 * as long as that takes before it asks there, with the same number again. A
 * request may then have been carried out twice, but never be left out.
 *
 * Build: cc -Icommon ch4-reliability/bstarcli.c -o bstarcli -lzmq -lpthread
 *
 * Try it: see bstarsrv.c.
 *
 * Guide: chapter 4, "Binary Star Implementation".
 */
#include "zg.h"

static const char usage[] =
    "bstarcli [-n COUNT] [-t MS] [PRIMARY [BACKUP]]\n"
    "Sends numbered requests to whichever of two servers answers.\n"
    "  -n COUNT  requests, 0: until stopped (0)\n"
    "  -t MS     for a reply (1000), and between requests; twice for failover\n"
    "  PRIMARY   connect (tcp://localhost:5001)\n"
    "  BACKUP    connect (tcp://localhost:5002)\n"
    "Peers: bstarsrv -p PRIMARY, bstarsrv -b BACKUP\n";

static void *ask(void *ctx, const char *server)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);

    printf("I: asking %s\n", server);
    zg_set(sock, ZMQ_LINGER, 0); /* what is given up must not arrive later */
    zg_connect(sock, server);
    return sock;
}

/* 1: the reply came, 0: it did not, -1: the program is to stop. */
static int request(void *sock, const char *number, long timeout)
{
    zmq_pollitem_t item = { sock, 0, ZMQ_POLLIN, 0 };
    zg_msg msg = { 0 };
    int answered;

    if (zmq_send(sock, number, strlen(number), 0) == -1)
        return -1;
    answered = zg_poll(&item, 1, zg_now() + timeout);
    if (answered == 1 && zg_recv(&msg, sock, ZMQ_DONTWAIT)
        && !(msg.count == 1 && zg_is(&msg, 0, number))) {
        zg_drop(&msg, "the server");
        answered = 0;
    }
    zg_clear(&msg);
    return answered;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), timeout = zg_number('t'), sequence = 1;
    int answered, server = 0;
    void *ctx = zg_start(), *sock = ask(ctx, zg_value[server]);
    char number[24];

    do {
        snprintf(number, sizeof number, "%ld", sequence);
        answered = request(sock, number, timeout);
        if (answered == 1) {
            printf("I: %s replied OK (%s)\n", zg_value[server], number);
            if (sequence++ == count)
                break;
        } else if (answered == 0) {
            fprintf(stderr, "W: no reply from %s\n", zg_value[server]);
            zmq_close(sock);
            server = !server;
            sock = ask(ctx, zg_value[server]);
        }
    } while (answered != -1
             && zg_sleep(sock, answered ? timeout : 2 * timeout));
    zmq_close(sock);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
