/* SPDX-License-Identifier: 0BSD */
/* mdtable.h - finds a thing by its name, as fast among thousands as among ten;
 * and tells when a connection has closed.
 *
 * The names are frames: a routing id, or what a service is called. A thing is
 * any struct that begins with a struct item. The table has a fixed number of
 * chains, which suits the broker: its workers and services are limited.
 */
#pragma once
#include "zg.h"

#include <sys/queue.h>

enum { CHAINS = 1 << 14, MAX_FD = 1 << 16 };

struct item {
    LIST_ENTRY(item) chain;
    zmq_msg_t name;
    int fd; /* of its connection, or 0 */
};
LIST_HEAD(table, item);
static struct item *by_fd[MAX_FD];

static inline bool same_bytes(zmq_msg_t *a, zmq_msg_t *b)
{
    return zmq_msg_size(a) == zmq_msg_size(b)
           && memcmp(zmq_msg_data(a), zmq_msg_data(b), zmq_msg_size(a)) == 0;
}

/* Find it; if it is not there, make it of that many bytes, all 0, or return
 * NULL if that is 0. */
static inline void *look_up(struct table *table, zmq_msg_t *name, size_t make)
{
    const unsigned char *byte = zmq_msg_data(name);
    uint32_t hash = 2166136261; /* FNV-1a */
    struct item *item;

    for (size_t n = zmq_msg_size(name); n > 0; n--)
        hash = (hash ^ *byte++) * 16777619;
    table += (hash ^ hash >> 16) % CHAINS;
    LIST_FOREACH(item, table, chain)
        if (same_bytes(name, &item->name))
            return item;
    if (make == 0)
        return NULL;
    if ((item = calloc(1, make)) == NULL)
        zg_die("calloc");
    zmq_msg_init(&item->name);
    zmq_msg_copy(&item->name, name);
    LIST_INSERT_HEAD(table, item, chain);
    return item;
}

static inline void forget(struct item *item)
{
    LIST_REMOVE(item, chain);
    by_fd[item->fd] = NULL;
    zmq_msg_close(&item->name);
    free(item);
}

/* A ROUTER's connections are known by descriptor; this socket has an event for
 * each that closes. */
static inline void *watch_connections(void *net, void *router)
{
    void *monitor = zg_socket(net, ZMQ_PAIR);

    zg_set(monitor, ZMQ_RCVHWM, 0); /* libzmq would wait for room */
    zg_must(
        zmq_socket_monitor(router, "inproc://closed", ZMQ_EVENT_DISCONNECTED));
    zg_connect(monitor, "inproc://closed");
    return monitor;
}

/* The next thing whose connection has closed, or NULL. An event is 16 bits what
 * happened, and 32 bits which descriptor. */
static inline void *next_closed(void *monitor)
{
    zg_msg event = { 0 };
    struct item *item = NULL;
    int32_t fd;

    while (item == NULL && zg_recv(&event, monitor, ZMQ_DONTWAIT)) {
        memcpy(&fd, (char *) zmq_msg_data(&event.frame[0]) + 2, sizeof fd);
        item = fd > 0 && fd < MAX_FD ? by_fd[fd] : NULL;
    }
    zg_clear(&event);
    return item;
}

/* This frame came by the connection of this thing. (Have next_closed() say NULL
 * before: the descriptor may have been another's.) */
static inline void came_by(struct item *item, zmq_msg_t *frame)
{
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);

    item->fd = fd > 0 && fd < MAX_FD ? fd : 0;
    by_fd[item->fd] = item;
}
