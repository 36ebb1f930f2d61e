/* SPDX-License-Identifier: 0BSD */
/* bstarsrv2.c - the same as bstarsrv.c, on the reactor of bstar.h.
 *
 *     REQ bstarcli ---> ROUTER bstarsrv2 PUB, SUB <===> another, or bstarsrv
 *             5001, 5002       (this)                       5003, 5004
 *
 * The reactor runs the pair. The handler below is the service; the reactor
 * calls it only while this half is active. See bstarsrv.c for what happens in a
 * failure.
 *
 * Build: cc -Icommon ch4-reliability/bstarsrv2.c ch4-reliability/bstar.c
 *           -o bstarsrv2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/bstarsrv2 -p & bin/bstarsrv2 -b & bin/bstarcli -n 3
 *     I: primary -> active: the peer is backup
 *     I: backup -> passive: the peer is active
 *     I: tcp://localhost:5001 replied OK (3)
 *
 * Guide: chapter 4, "Binary Star Reactor".
 */
#include "bstar.h"

static const char usage[] =
    "bstarsrv2 -p|-b [-i MS] [-v] [CLIENTS [STATE [PEERSTATE]]]\n"
    "Runs one half of a pair of echo servers; the active half serves.\n"
    "  -p         the primary\n"
    "  -b         the backup\n"
    "  -i MS      interval of states, at least 10; the same in both (1000)\n"
    "  -v         log each request that is served\n"
    "  CLIENTS    bind (tcp://127.0.0.1:5001), backup: 5002\n"
    "  STATE      bind (tcp://127.0.0.1:5003), backup: 5004\n"
    "  PEERSTATE  connect (tcp://localhost:5004), backup: 5003\n"
    "Peers: bstarcli CLIENTS CLIENTS\n";

static const char *backup_endpoint[] = {
    "tcp://127.0.0.1:5002",
    "tcp://127.0.0.1:5004",
    "tcp://localhost:5003",
};

enum { MIN_INTERVAL = 10 };

/* [client]...[][request...]: echo the request. */
static int answer(zg_msg *msg, void *frontend, void *arg)
{
    int delimiter = zg_delimiter(msg, 1);
    char text[64];

    (void) arg;
    if (delimiter == 0) {
        zg_drop(msg, "a client");
        return 0;
    }
    if (zg_value['v'] != NULL)
        printf("I: serving %s\n",
               zg_text(&msg->frame[delimiter + 1], text, sizeof text));
    if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno != ETERM)
        fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
    return 0;
}

int main(int argc, char *argv[])
{
    char **given = zg_args(argc, argv, usage);
    bool is_primary = zg_value['p'] != NULL, is_backup = zg_value['b'] != NULL;
    long interval = zg_number('i');
    int count = 0;

    if (is_primary == is_backup || interval < MIN_INTERVAL)
        zg_usage_error();
    /* The usage text has the primary's defaults. A backup has others. */
    while (given[count] != NULL)
        count++;
    for (; is_backup && count < 3; count++)
        zg_value[count] = backup_endpoint[count];

    void *ctx = zg_start();
    bstar *star =
        bstar_new(ctx, is_primary, zg_value[1], zg_value[2], interval);
    bstar_voter(star, zg_value[0], answer, NULL);
    bstar_start(star);
    bstar_destroy(&star);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
