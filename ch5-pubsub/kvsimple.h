/* SPDX-License-Identifier: 0BSD */
/* kvsimple.h - key-value messages of three frames: [key][number][value].
 *
 * Guide: chapter 5, "Representing State as Key-Value Pairs".
 */
#pragma once
#include "chp.h"

enum { KVSIMPLE_VALUE = 2, KVSIMPLE_FRAMES };

/* Make [key][number][value] in an empty message, from copies. */
static inline void kvsimple_make(zg_msg *msg, const char *key, int64_t number,
                                 const char *value)
{
    kv_begin(msg, key, strlen(key), number);
    zg_insert(msg, KVSIMPLE_VALUE, value, strlen(value));
}

/* Make a random update in an empty message: one of 10,000 keys of a subtree. */
static inline void kvsimple_make_random(zg_msg *msg, const char *subtree)
{
    char key[CHP_KEY_MAX + 5], value[8];
    snprintf(key, sizeof key, "%.*s%ld", CHP_SUBTREE_MAX, subtree,
             random() % 10000);
    snprintf(value, sizeof value, "%ld", random() % 1000000);
    kvsimple_make(msg, key, 0, value);
}

/* Receive a key-value message as zg_recv() does. A malformed one is dropped,
 * which leaves msg empty. */
static inline bool kvsimple_recv(zg_msg *msg, void *sock, int flags)
{
    if (!zg_recv(msg, sock, flags))
        return false;
    if (!kv_is_valid(msg, KVSIMPLE_FRAMES))
        zg_drop(msg, "a peer");
    return true;
}
