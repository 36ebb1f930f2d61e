/* SPDX-License-Identifier: 0BSD */
/* bstarsrv2.c - bstarsrv once more, with the pair's work left to the reactor.
 *
 *     REQ bstarcli ---> ROUTER bstarsrv2 PUB, SUB <===> another, or bstarsrv
 *             5001, 5002       (this)                       5003, 5004
 *
 * All that is left here is the service. It is asked while we are active only.
 *
 * Build: cc -Icommon ch4-reliability/bstarsrv2.c ch4-reliability/bstar.c
 *           -o bstarsrv2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/bstarsrv2 -p & bin/bstarsrv2 -b & bin/bstarcli -n 3
 *     I: primary -> active: the peer is backup
 *     I: backup -> passive: the peer is active
 *     I: ... replied OK (3)
 *
 * Guide: chapter 4, "Binary Star Reactor".
 */
#include "bstar.h"

static const char usage[] =
    "bstarsrv2 -p|-b [-i MS] [-v] [CLIENTS [STATE [PEERSTATE]]]\n"
    "One of a pair of echo servers; one serves, the other stands by.\n"
    "  -p         the primary\n"
    "  -b         the backup\n"
    "  -i MS      between two state messages; two of them are silence (1000)\n"
    "  -v         show each request that is served\n"
    "  CLIENTS    bind (tcp://127.0.0.1:5001), backup: 5002\n"
    "  STATE      bind (tcp://127.0.0.1:5003), backup: 5004\n"
    "  PEERSTATE  connect (tcp://localhost:5004), backup: 5003\n"
    "Peers: bstarcli CLIENTS CLIENTS\n";

static const char *backup_place[] = {
    "tcp://127.0.0.1:5002",
    "tcp://127.0.0.1:5004",
    "tcp://localhost:5003",
};

/* [client][][request...], sent back as it is. */
static int answer(zg_msg *msg, void *frontend, void *arg)
{
    char text[64];

    (void) arg;
    if (msg->count < 3 || !zg_is(msg, 1, "")) {
        zg_drop(msg, "a client");
        return 0;
    }
    if (zg_value['v'] != NULL)
        printf("I: serving %s\n", zg_text(&msg->frame[2], text, sizeof text));
    if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno == EAGAIN)
        zg_drop(msg, "a client that does not read");
    return 0;
}

int main(int argc, char *argv[])
{
    char **given = zg_args(argc, argv, usage);
    bool primary = zg_value['p'] != NULL, backup = zg_value['b'] != NULL;
    long interval = zg_number('i');
    int places = 0;

    if (primary == backup || interval == 0)
        zg_usage_error();
    while (given[places] != NULL)
        places++;
    for (; backup && places < 3; places++)
        zg_value[places] = backup_place[places];

    void *ctx = zg_start();
    bstar *star = bstar_new(ctx, primary, zg_value[1], zg_value[2], interval);
    bstar_voter(star, zg_value[0], ZMQ_ROUTER, answer, NULL);
    bstar_start(star);
    bstar_destroy(&star);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
