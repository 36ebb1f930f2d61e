/* SPDX-License-Identifier: 0BSD */
/* kvmap.h - a table of key-value messages, in the byte order of their keys.
 *
 * Frame 0 of such a message is the key, frame 1 the number that the server gave
 * it, the last one the value. The table keeps copies; messages stay the
 * caller's. Keys have 1 to 255 bytes, values any number: see kv_valid(). If
 * there is no memory the program ends.
 */
#pragma once
#include "zg.h"

typedef struct kvmap kvmap;

/* A message in the table, which owns it: it is there until its key is kept
 * again or forgotten, or the table destroyed. */
typedef struct kvitem kvitem;

enum { KV_KEY, KV_NUMBER, KV_FRAMES_MAX = 5 };

kvmap *kvmap_new(void);
void kvmap_destroy(kvmap **self);

/* Keep this message as what its key is now. Expires: the moment of zg_now()
 * from which kvmap_expired() tells it, or 0 for never. */
void kvmap_keep(kvmap *self, zg_msg *msg, int64_t expires);
void kvmap_forget(kvmap *self, kvitem *item);

/* The same as an update: an empty value means to forget the key. */
void kvmap_store(kvmap *self, zg_msg *msg, int64_t expires);

/* These return NULL if there is none: the item with this key, the first one
 * whose key is this or beyond (of up to 256 bytes), the one that comes next,
 * one that has expired. */
kvitem *kvmap_find(kvmap *self, const void *key, size_t size);
kvitem *kvmap_from(kvmap *self, const void *key, size_t size);
kvitem *kvmap_next(const kvitem *item);
kvitem *kvmap_expired(kvmap *self, int64_t now);

/* Append copies of its frames to the message. */
void kvitem_load(const kvitem *item, zg_msg *msg);

/* One of its frames, the item's own, and its size. */
const void *kvitem_frame(const kvitem *item, int frame, size_t *size);

/* As it was given to kvmap_keep(). */
int64_t kvitem_expires(const kvitem *item);

/* Does its key begin with this? */
bool kvitem_starts(const kvitem *item, const void *subtree, size_t size);

/* A sum over all items below a subtree: two tables with the same keys and
 * values have the same. It is kept up to date from the first time that it is
 * asked for, for the last 16 subtrees. */
uint64_t kvmap_sum(kvmap *self, const char *subtree, size_t size);
/* The subtrees that it is kept for, 0, 1, 2 ...; NULL after the last. */
const char *kvmap_summed(const kvmap *self, int i);

size_t kvmap_count(const kvmap *self);

/* Print "N keys, sequence S, digest D": 64-bit FNV-1a over all keys and values,
 * in their order, each with its length in four bytes before it. */
void kvmap_report(const kvmap *self, int64_t sequence);

/* The number of a message: eight bytes, big endian. It is there: kv_valid(). */
static inline int64_t kv_number(zg_msg *msg)
{
    const uint8_t *byte = zmq_msg_data(&msg->frame[KV_NUMBER]);
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number = number << 8 | byte[i];
    return (int64_t) number;
}

static inline void kv_set_number(zg_msg *msg, int64_t number)
{
    uint8_t *byte = zmq_msg_data(&msg->frame[KV_NUMBER]);

    for (int i = 8; i-- > 0; number >>= 8)
        byte[i] = (uint8_t) number;
}

/* A number by which an update is known again: it is the same for messages with
 * the same key and value, and nearly never for others. */
uint64_t kv_mark(zg_msg *msg);

/* Can this message, from a peer, be kept? It has so many frames, a key of the
 * right size, and a number of eight bytes. */
static inline bool kv_valid(zg_msg *msg, int frames)
{
    size_t key = msg->count == frames ? zmq_msg_size(&msg->frame[KV_KEY]) : 0;

    return key >= 1 && key <= 255 && zmq_msg_size(&msg->frame[KV_NUMBER]) == 8;
}

/* Does its key begin with this? (A subscription to HUGZ brings HUGZoo, too.) */
static inline bool kv_starts(zg_msg *msg, const char *subtree)
{
    size_t size = strlen(subtree);

    return zmq_msg_size(&msg->frame[KV_KEY]) >= size
           && memcmp(zmq_msg_data(&msg->frame[KV_KEY]), subtree, size) == 0;
}
