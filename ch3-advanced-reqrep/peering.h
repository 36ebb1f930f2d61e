/* SPDX-License-Identifier: 0BSD */
/* peering.h - shared by the peering programs: endpoints, state messages and the
 * queue of idle workers. The flow of requests and replies is in each program.
 *
 * A broker keeps no table of requests: the envelope of a reply names the peer
 * or the client that it is for. If a client's routing id is the name of a
 * connected peer, its replies go to that peer. Other clients are not affected.
 *
 * Every cluster has a name. Its broker binds sockets to ipc://NAME-PART.ipc in
 * the current directory and connects to those of its peers.
 */
#pragma once
#include "zg.h"

/* Write the endpoint of one part of a cluster to text. */
static inline void endpoint_of(char text[256], const char *name,
                               const char *part)
{
    if (snprintf(text, 256, "ipc://%s-%s.ipc", name, part) > 255)
        zg_usage_error();
}

static inline void bind_part(void *sock, const char *name, const char *part)
{
    char endpoint[256];

    endpoint_of(endpoint, name, part);
    zg_bind(sock, part, endpoint);
}

static inline void connect_part(void *sock, const char *name, const char *part)
{
    char endpoint[256];

    endpoint_of(endpoint, name, part);
    zg_connect(sock, endpoint);
}

/* Publish [name][idle workers, in decimal digits]. */
static inline void publish_state(void *sock, const char *name, long idle)
{
    char text[24];
    int size = sprintf(text, "%ld", idle);

    zmq_send(sock, name, strlen(name), ZMQ_SNDMORE);
    zmq_send(sock, text, (size_t) size, 0);
}

/* Return the number of idle workers in a state message, or -1 if the message
 * is malformed. */
static inline long parse_state(zg_msg *msg)
{
    char text[8];
    size_t size = msg->count == 2 ? zmq_msg_size(&msg->frame[1]) : 0;

    if (size == 0 || size >= sizeof text)
        return -1;
    zg_text(&msg->frame[1], text, sizeof text);
    return strspn(text, "0123456789") == size ? atol(text) : -1;
}

static inline void *router_socket(void *ctx)
{
    void *sock = zg_socket(ctx, ZMQ_ROUTER);

    zg_set(sock, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(sock, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    return sock;
}

/* A ROUTER that talks to other brokers has its cluster's name as routing id, so
 * that each side can address the other. Without ZMQ_IMMEDIATE it would queue
 * messages for a peer that has disconnected. */
static inline void *cloud_socket(void *ctx, const char *name)
{
    void *sock = router_socket(ctx);

    zg_must(zmq_setsockopt(sock, ZMQ_ROUTING_ID, name, strlen(name)));
    zg_set(sock, ZMQ_IMMEDIATE, 1);
    return sock;
}

/* Exit if two names are equal: two connections that set the same routing id
 * would displace each other again and again (ZMQ_ROUTER_HANDOVER). */
static inline void check_names(char **names)
{
    for (; *names != NULL; names++)
        for (char **other = names + 1; *other != NULL; other++)
            if (strcmp(*names, *other) == 0)
                zg_usage_error();
}

/* Report that a reply could not be sent, with the reason in errno. */
static inline void report_unsent(void)
{
    if (errno != ETERM)
        fprintf(stderr, "W: reply dropped: %s\n", zmq_strerror(errno));
}

/* The routing ids of idle workers, longest idle first, in a ring buffer. */
enum { MAX_IDLE = 1000 };
static zmq_msg_t idle[MAX_IDLE];
static int oldest, idle_count;

static inline void add_idle(zmq_msg_t *id)
{
    for (int n = 0; n < idle_count; n++)
        if (zg_equal(id, &idle[(oldest + n) % MAX_IDLE]))
            return;
    if (idle_count == MAX_IDLE) {
        fprintf(stderr, "W: worker ignored, %d are idle already\n", MAX_IDLE);
        return;
    }
    zmq_msg_t *slot = &idle[(oldest + idle_count++) % MAX_IDLE];
    zmq_msg_init(slot);
    zmq_msg_copy(slot, id);
}

static inline void remove_oldest(void)
{
    zmq_msg_close(&idle[oldest]);
    oldest = (oldest + 1) % MAX_IDLE;
    idle_count--;
}
