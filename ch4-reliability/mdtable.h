/* SPDX-License-Identifier: 0BSD */
/* mdtable.h - finds a thing by its name, as fast among thousands as among ten.
 *
 * The names are frames: a routing id, or what a service is called. A thing is
 * any struct that begins with a struct item. The table has a fixed number of
 * chains, which suits the broker: its workers and services are limited.
 */
#pragma once
#include "zg.h"

#include <sys/queue.h>

enum { CHAINS = 1 << 14 };

struct item {
    LIST_ENTRY(item) chain;
    zmq_msg_t name;
};
LIST_HEAD(table, item);

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
    zmq_msg_close(&item->name);
    free(item);
}
