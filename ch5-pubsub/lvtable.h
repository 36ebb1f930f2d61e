/* SPDX-License-Identifier: 0BSD */
/* lvtable.h - topics and their last values: found by name, prefix and age.
 *
 * An update looks for one topic: a hash table finds it. A subscription looks
 * for all that begin with a prefix: they stand side by side in a sorted list,
 * and express lanes lead to the first of them (a skip list: each lane stops at
 * every fourth topic, by chance, of the lane below). A full table looks for
 * one that is silent: it goes through all in turn, and those that were updated
 * since the last time stay.
 */
#pragma once
#include "zg.h"
#include <sys/queue.h>

enum {
    MAX_TOPICS = 250000,
    MAX_BYTES = 256 << 20, /* names and values, and what we need to find them */
    CHAINS = 1 << 18,
    LANES = 10,
    RECEIVE_BUFFER = 8192 /* libzmq's, which smaller frames share */
};

struct topic {
    LIST_ENTRY(topic) chain;
    bool due;     /* its value is to be repeated */
    bool updated; /* since it came, or we last looked for a silent one */
    zmq_msg_t name, value;
    TAILQ_ENTRY(topic) all;
    TAILQ_ENTRY(topic) turn; /* in repeat, if due */
    struct topic *next[];    /* in order of names, one for each of its lanes */
};

static LIST_HEAD(, topic) chains[CHAINS];
static TAILQ_HEAD(, topic) all = TAILQ_HEAD_INITIALIZER(all),
                           repeat = TAILQ_HEAD_INITIALIZER(repeat);
static struct topic *first[LANES];
static size_t topics, bytes;

static inline size_t weight(struct topic *topic)
{
    return sizeof *topic + LANES * sizeof *first + zmq_msg_size(&topic->name)
           + zmq_msg_size(&topic->value);
}

/* The first topic that does not come before this name (or NULL), and the links
 * that lead there, one in each lane. */
static inline struct topic *seek(const void *name, size_t size,
                                 struct topic **link[LANES])
{
    struct topic **at = first;

    for (int lane = LANES - 1; lane >= 0; link[lane] = &at[lane], lane--)
        for (; at[lane] != NULL; at = at[lane]->next) {
            size_t other = zmq_msg_size(&at[lane]->name);
            int order = memcmp(zmq_msg_data(&at[lane]->name), name,
                               other < size ? other : size);
            if (order > 0 || (order == 0 && other >= size))
                break;
        }
    return at[0];
}

static inline void set_due(struct topic *topic, bool due)
{
    if (due && !topic->due)
        TAILQ_INSERT_TAIL(&repeat, topic, turn);
    if (!due && topic->due)
        TAILQ_REMOVE(&repeat, topic, turn);
    topic->due = due;
}

/* All topics that begin with this shall be repeated; returns how many. */
static inline long set_due_below(const void *prefix, size_t size)
{
    struct topic **link[LANES], *topic = seek(prefix, size, link);
    long n = 0;

    for (; topic != NULL && zmq_msg_size(&topic->name) >= size
           && memcmp(zmq_msg_data(&topic->name), prefix, size) == 0;
         topic = topic->next[0], n++)
        set_due(topic, true);
    return n;
}

static inline void forget(struct topic *topic)
{
    struct topic **link[LANES];

    seek(zmq_msg_data(&topic->name), zmq_msg_size(&topic->name), link);
    for (int lane = 0; lane < LANES && *link[lane] == topic; lane++)
        *link[lane] = topic->next[lane];
    set_due(topic, false);
    LIST_REMOVE(topic, chain);
    TAILQ_REMOVE(&all, topic, all);
    bytes -= weight(topic);
    topics--;
    zmq_msg_close(&topic->name);
    zmq_msg_close(&topic->value);
    free(topic);
}

/* Keep a frame in place of another. A small one, kept as it came, would keep
 * all of the buffer that it shares; a large one is kept without copying it. */
static inline void keep(zmq_msg_t *kept, zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(frame);

    zmq_msg_close(kept);
    if (size > RECEIVE_BUFFER) {
        zmq_msg_init(kept);
        zmq_msg_copy(kept, frame);
    } else {
        zg_must(zmq_msg_init_size(kept, size));
        memcpy(zmq_msg_data(kept), zmq_msg_data(frame), size);
    }
}

static inline struct topic *add(zmq_msg_t *name)
{
    struct topic **link[LANES], *topic;
    int lanes = 1;

    while (lanes < LANES && random() % 4 == 0)
        lanes++;
    topic = calloc(1, sizeof *topic + (size_t) lanes * sizeof *first);
    if (topic == NULL)
        zg_die("calloc");
    zmq_msg_init(&topic->value);
    zmq_msg_init(&topic->name);
    keep(&topic->name, name);
    seek(zmq_msg_data(name), zmq_msg_size(name), link);
    for (int lane = 0; lane < lanes; lane++) {
        topic->next[lane] = *link[lane];
        *link[lane] = topic;
    }
    topics++;
    bytes += weight(topic);
    return topic;
}

static inline void make_room(size_t size)
{
    struct topic *topic;

    while (topics == MAX_TOPICS || bytes + size > MAX_BYTES) {
        if ((topic = TAILQ_FIRST(&all))->updated) {
            TAILQ_REMOVE(&all, topic, all);
            TAILQ_INSERT_TAIL(&all, topic, all);
            topic->updated = false;
        } else {
            forget(topic);
        }
    }
}

static inline void remember(zmq_msg_t *name, zmq_msg_t *value)
{
    const unsigned char *byte = zmq_msg_data(name);
    size_t size = zmq_msg_size(name);
    uint32_t hash = 2166136261; /* FNV-1a */
    struct topic *topic;

    make_room(sizeof *topic + LANES * sizeof *first + size
              + zmq_msg_size(value));
    for (size_t n = 0; n < size; n++)
        hash = (hash ^ byte[n]) * 16777619;
    hash = (hash ^ hash >> 16) % CHAINS;
    LIST_FOREACH(topic, &chains[hash], chain)
        if (zmq_msg_size(&topic->name) == size
            && memcmp(zmq_msg_data(&topic->name), byte, size) == 0)
            break;
    if (topic != NULL) {
        topic->updated = true;
    } else {
        topic = add(name);
        LIST_INSERT_HEAD(&chains[hash], topic, chain);
        TAILQ_INSERT_TAIL(&all, topic, all);
    }
    bytes -= zmq_msg_size(&topic->value);
    keep(&topic->value, value);
    bytes += zmq_msg_size(&topic->value);
}
