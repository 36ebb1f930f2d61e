/* SPDX-License-Identifier: 0BSD */
/* bstarcli.c - client of a pair: sends a request to one half, then the other.
 *
 *     REQ bstarcli (this) ----> ROUTER bstarsrv -p  5001
 *                         ....> ROUTER bstarsrv -b  5002
 *
 * The client numbers its requests. If no reply arrives in time, it waits for
 * two more timeouts, so that the passive half can notice its silent peer: three
 * timeouts should be longer than two intervals of the halves. Then it sends the
 * same request to the other half, on a new socket. It never gives up.
 *
 * A request may be executed twice: by the half that failed before it replied,
 * and by the other one. A service that must not do that remembers the client
 * and the number of each request.
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
    "Sends numbered requests to the half of a pair that replies.\n"
    "  -n COUNT  requests, 0: until stopped (0)\n"
    "  -t MS     timeout, and pause between requests, at least 1 (1000)\n"
    "  PRIMARY   connect (tcp://localhost:5001)\n"
    "  BACKUP    connect (tcp://localhost:5002)\n"
    "Peers: bstarsrv -p PRIMARY, bstarsrv -b BACKUP\n";

/* Return a new socket that is connected to a half. */
static void *connect_to(void *ctx, const char *server)
{
    void *sock = zg_socket(ctx, ZMQ_REQ);

    printf("I: asking %s\n", server);
    zg_set(sock, ZMQ_LINGER, 0); /* a request must not arrive late */
    zg_connect(sock, server);
    return sock;
}

/* Return 1 if the reply arrived, 0 if none did or a malformed one, -1 on
 * shutdown. */
static int request(void *sock, const char *number, long timeout)
{
    zmq_pollitem_t item = { sock, 0, ZMQ_POLLIN, 0 };
    zg_msg msg = { 0 };
    int answered;

    if (zmq_send(sock, number, strlen(number), 0) == -1)
        return -1;
    answered = zg_poll(&item, 1, zg_now() + timeout);
    if (answered == 1
        && !(zg_recv(&msg, sock, ZMQ_DONTWAIT) && msg.count == 1
             && zg_is(&msg, 0, number))) {
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

    if (timeout == 0)
        zg_usage_error();
    void *ctx = zg_start(), *sock = connect_to(ctx, zg_value[server]);
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
            sock = connect_to(ctx, zg_value[server]);
        }
    } while (answered != -1
             && zg_sleep(sock, answered ? timeout : 2 * timeout));
    zmq_close(sock);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
