/* SPDX-License-Identifier: 0BSD */
/* mdtable.h - hash table for mdbroker and titanic: finds one of thousands of
 * workers or services as fast as one of ten.
 *
 * A key is a frame: a routing id or the name of a service. A value is any
 * struct that begins with a struct entry. The table never grows. In mdbroker, a
 * service exists only while it has a worker or a request. Requests are limited
 * to 50,000, and workers by the number of descriptors, so the chains stay
 * short. In titanic, a service exists while it has stored requests, and the
 * disk limits those.
 */
#pragma once
#include "zg.h"

#include <sys/queue.h>

enum { CHAINS = 1 << 14 };

struct entry {
    LIST_ENTRY(entry) next; /* in its chain */
    zmq_msg_t key;
};
LIST_HEAD(chain, entry);
struct table {
    struct chain chain[CHAINS];
};

static inline struct chain *table_chain(struct table *table, zmq_msg_t *key)
{
    const unsigned char *byte = zmq_msg_data(key);
    uint32_t hash = 2166136261; /* FNV-1a */

    for (size_t n = zmq_msg_size(key); n > 0; n--)
        hash = (hash ^ *byte++) * 16777619;
    return &table->chain[(hash ^ hash >> 16) % CHAINS];
}

/* Return the value with this key, or NULL. */
static inline void *table_find(struct table *table, zmq_msg_t *key)
{
    struct entry *entry;

    LIST_FOREACH(entry, table_chain(table, key), next)
        if (zg_equal(key, &entry->key))
            break;
    return entry;
}

/* Return a new value of `size` bytes, all 0, with a key that is not in the
 * table yet. */
static inline void *table_insert(struct table *table, zmq_msg_t *key,
                                 size_t size)
{
    struct entry *entry = calloc(1, size);

    if (entry == NULL)
        zg_die("calloc");
    zmq_msg_init(&entry->key);
    zmq_msg_copy(&entry->key, key);
    LIST_INSERT_HEAD(table_chain(table, key), entry, next);
    return entry;
}

/* Remove a value from its table and free all of it. */
static inline void table_remove(struct entry *entry)
{
    LIST_REMOVE(entry, next);
    zmq_msg_close(&entry->key);
    free(entry);
}
