/* SPDX-License-Identifier: 0BSD */
/* flserver3.c - server for Freelance model three; run several.
 *
 *     flclient3 <---> ROUTER flserver3 (this)   [PING]          [PONG]
 *               <---> ROUTER flserver3          [number][name]  [number][OK]
 *
 * A client may use a ROUTER for all its servers, and then needs to know their
 * routing ids. By RFC 10 the id of a server is the endpoint to which clients
 * connect. The first frame of a request belongs to the client and is returned.
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
    "Replies OK to each request, and PONG to each PING.\n"
    "  -v      print the number of each request\n"
    "  BIND    bind (tcp://127.0.0.1:5555)\n"
    "  PUBLIC  endpoint of clients, BIND if that is given "
    "(tcp://localhost:5555)\n"
    "Peers: flclient3 BIND\n";

/* Turn [client][PING] or [client][number][request...] into the reply. False if
 * it is neither. */
static bool make_reply(zg_msg *msg)
{
    char text[64];

    if (msg->count == 2 && zg_is(msg, 1, "PING")) {
        zg_cut(msg, 1);
        zg_insert(msg, 1, "PONG", 4);
        return true;
    }
    if (msg->count < 3) {
        zg_drop(msg, "a client");
        return false;
    }
    if (zg_value['v'] != NULL)
        printf("I: request %s\n", zg_text(&msg->frame[1], text, sizeof text));
    zg_cut(msg, 2);
    zg_insert(msg, 2, "OK", 2);
    return true;
}

/* Exit with an error if clients could not connect to this endpoint. */
static void check_endpoint(void *ctx, const char *endpoint)
{
    void *sock = zg_socket(ctx, ZMQ_DEALER);

    zg_connect(sock, endpoint);
    zmq_close(sock);
}

int main(int argc, char *argv[])
{
    char **given = zg_args(argc, argv, usage);
    bool only_bind = given[0] != NULL && given[1] == NULL;
    const char *public = zg_value[only_bind ? 0 : 1];
    void *ctx = zg_start(), *server = zg_socket(ctx, ZMQ_ROUTER);
    zg_msg msg = { 0 };

    if (!only_bind)
        check_endpoint(ctx, public);
    zg_set(server, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(server, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    zg_must(zmq_setsockopt(server, ZMQ_ROUTING_ID, public, strlen(public)));
    zg_bind(server, "server", zg_value[0]);
    while (zg_recv(&msg, server, 0))
        if (make_reply(&msg) && !zg_send(&msg, server, ZMQ_DONTWAIT)
            && errno != ETERM)
            fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
    zg_clear(&msg);
    zmq_close(server);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
