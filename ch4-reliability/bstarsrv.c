/* SPDX-License-Identifier: 0BSD */
/* bstarsrv.c - one of a pair of servers, of which exactly one serves.
 *
 *     REQ bstarcli ----> ROUTER bstarsrv -p (this)   PUB 5003 --+
 *          :         5001                            SUB <----+ |
 *          :                                                  | |
 *          :.........> ROUTER bstarsrv -b (this)     PUB 5004-+ |
 *                5002                                SUB <------+
 *
 * The two watch each other. The backup takes over when it has heard nothing
 * from the primary for two seconds, and a client that had no answer there comes
 * to ask. Nothing falls back by itself: a primary that returns is the spare.
 * The rules are in bstarfsm.h. A service is an echo here.
 *
 * Build: cc -Icommon ch4-reliability/bstarsrv.c -o bstarsrv -lzmq -lpthread
 *
 * Try it:
 *     $ bin/bstarsrv -p & bin/bstarsrv -b & bin/bstarcli -n 3
 *     I: primary -> active: the peer is backup
 *     I: backup -> passive: the peer is active
 *     I: ... replied OK (3)
 *
 * Guide: chapter 4, "Binary Star Implementation".
 */
#include "bstarfsm.h"

static const char usage[] =
    "bstarsrv -p|-b [-i MS] [-v] [CLIENTS [STATE [PEERSTATE]]]\n"
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

enum { BATCH = 100 }; /* so that neither side keeps the other waiting */

/* [client][][request...], sent back as it is if it is ours to serve. */
static void answer(void *frontend, struct bstarfsm *fsm, zg_msg *msg)
{
    char text[64];

    if (msg->count < 3 || !zg_is(msg, 1, "")) {
        zg_drop(msg, "a client");
    } else if (bstarfsm_serves(fsm)) {
        if (zg_value['v'] != NULL)
            printf("I: serving %s\n",
                   zg_text(&msg->frame[2], text, sizeof text));
        if (!zg_send(msg, frontend, ZMQ_DONTWAIT) && errno == EAGAIN)
            zg_drop(msg, "a client that does not read");
    }
}

static void serve(void *frontend, struct bstarfsm *fsm)
{
    zmq_pollitem_t items[] = {
        { fsm->statesub, 0, ZMQ_POLLIN, 0 },
        { frontend, 0, ZMQ_POLLIN, 0 },
    };
    int64_t beat_at = 0;
    zg_msg msg = { 0 };

    while (zg_poll(items, 2, beat_at) != -1) {
        if (zg_now() >= beat_at) {
            bstarfsm_beat(fsm);
            beat_at = zg_now() + fsm->interval;
        }
        /* The peer first: what it says decides what clients get. */
        for (int n = 0; n < BATCH && zg_recv(&msg, fsm->statesub, ZMQ_DONTWAIT);
             n++)
            bstarfsm_heard(fsm, &msg);
        for (int n = 0; n < BATCH && zg_recv(&msg, frontend, ZMQ_DONTWAIT); n++)
            answer(frontend, fsm, &msg);
    }
    zg_clear(&msg);
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

    void *ctx = zg_start(), *frontend = zg_socket(ctx, ZMQ_ROUTER);
    struct bstarfsm fsm;
    zg_set(frontend, ZMQ_ROUTER_MANDATORY, 1);
    bstarfsm_open(&fsm, ctx, primary, zg_value[1], zg_value[2], interval);
    zg_bind(frontend, "clients", zg_value[0]);
    serve(frontend, &fsm);
    bstarfsm_close(&fsm);
    zmq_close(frontend);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
