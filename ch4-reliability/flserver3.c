/* SPDX-License-Identifier: 0BSD */
/* flserver3.c - a name service that clients can address; there are several.
 *
 *     ROUTER flclient3 <---> ROUTER flserver3 (this)   [PING] [PONG]
 *                      <---> ROUTER flserver3          [control][name]
 *                                                 [control][OK]
 *
 * Two ROUTER sockets can talk only if one knows the other's name. The rule of
 * RFC 10 is that a server's name is the endpoint that clients connect to. The
 * first frame of a request is the client's own and comes back as it was.
 *
 * Build: cc -Icommon ch4-reliability/flserver3.c -o flserver3 -lzmq -lpthread
 *
 * Try it: see flclient3.c.
 *
 * Guide: chapter 4, "Model Three: Complex and Nasty".
 */
#include "zg.h"

static const char usage[] =
    "flserver3 [-v] [BIND [PUBLIC]]\n"
    "Answers OK to each request, and PONG to each PING.\n"
    "  -v      show the requests\n"
    "  BIND    bind (tcp://127.0.0.1:5555)\n"
    "  PUBLIC  what clients connect to (tcp://localhost:5555), or BIND if "
    "given\n"
    "Peers: flclient3 BIND\n";

/* Turn [client][PING] or [client][control][body...] into its answer. */
static bool answer(zg_msg *msg)
{
    char text[64];

    if (msg->count == 2 && zg_is(msg, 1, "PING")) {
        zmq_msg_close(&msg->frame[--msg->count]);
        zg_insert(msg, 1, "PONG", 4);
        return true;
    }
    if (msg->count < 3) {
        zg_drop(msg, "a client");
        return false;
    }
    if (zg_value['v'] != NULL)
        printf("I: request %s\n", zg_text(&msg->frame[1], text, sizeof text));
    while (msg->count > 2)
        zmq_msg_close(&msg->frame[--msg->count]);
    zg_insert(msg, 2, "OK", 2);
    return true;
}

int main(int argc, char *argv[])
{
    char **given = zg_args(argc, argv, usage);
    bool same = given[0] != NULL && given[1] == NULL;
    const char *public = zg_value[same ? 0 : 1];
    void *ctx = zg_start(), *server = zg_socket(ctx, ZMQ_ROUTER);
    zg_msg msg = { 0 };

    zg_set(server, ZMQ_ROUTER_MANDATORY, 1);
    zg_must(zmq_setsockopt(server, ZMQ_ROUTING_ID, public, strlen(public)));
    zg_bind(server, "service", zg_value[0]);
    while (zg_recv(&msg, server, 0))
        if (answer(&msg) && !zg_send(&msg, server, ZMQ_DONTWAIT)
            && errno == EAGAIN)
            zg_drop(&msg, "a client that does not read");
    zg_clear(&msg);
    zmq_close(server);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
