/* SPDX-License-Identifier: 0BSD */
/* accepted.h - find the socket type that an endpoint accepts. */
#pragma once
#include "zg.h"

static const struct {
    int type;
    const char *name;
} types[] = {
    { ZMQ_DEALER, "DEALER" }, { ZMQ_PUSH, "PUSH" }, { ZMQ_XSUB, "XSUB" },
    { ZMQ_XPUB, "PUB" },      { ZMQ_PAIR, "PAIR" },
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

/* Return whether a socket of this type completes the handshake. Otherwise the
 * peer closes the connection. */
static inline bool accepts(void *ctx, int type, const char *endpoint)
{
    static int count;
    char inproc[32];
    uint16_t event = 0;
    void *sock = zg_socket(ctx, type), *monitor = zg_socket(ctx, ZMQ_PAIR);

    sprintf(inproc, "inproc://monitor-%d", count++);
    zg_must(zmq_socket_monitor(
        sock, inproc, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED));
    zg_connect(monitor, inproc);
    zg_connect(sock, endpoint);
    zmq_pollitem_t item = { monitor, 0, ZMQ_POLLIN, 0 };
    if (zg_poll(&item, 1, zg_now() + 500) == 1)
        zmq_recv(monitor, &event, sizeof event, 0);
    zmq_socket_monitor(sock, NULL, 0);
    zmq_close(sock);
    zmq_close(monitor);
    return event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
}

/* Return the index in types[] of the type that the endpoint accepts. Exit with
 * 1 if it accepts no type within five seconds. */
static inline size_t accepted_type(void *ctx, const char *endpoint)
{
    int64_t deadline = zg_now() + 5000;

    do
        for (size_t t = 0; t < TYPE_COUNT; t++)
            if (accepts(ctx, types[t].type, endpoint))
                return t;
    while (zg_now() < deadline && usleep(20000) == 0);
    fprintf(stderr, "E: %s accepts no connection\n", endpoint);
    exit(EXIT_FAILURE);
}
