/* SPDX-License-Identifier: 0BSD */
/* kvsimple.c - key-value messages of three frames: [key][number][value].
 *
 * Guide: chapter 5, "Representing State as Key-Value Pairs".
 */
#include "kvsimple.h"

void kvsimple_make(zg_msg *msg, const void *key, size_t key_size,
                   int64_t number, const void *value, size_t value_size)
{
    zg_insert(msg, KV_KEY, key, key_size);
    zg_insert(msg, KV_NUMBER, "\0\0\0\0\0\0\0\0", 8);
    kv_set_number(msg, number);
    zg_insert(msg, KVSIMPLE_VALUE, value, value_size);
}

void kvsimple_random(zg_msg *msg, const char *prefix, int64_t number)
{
    char key[300], value[8];
    int size = snprintf(key, sizeof key, "%s%ld", prefix, random() % 10000);
    int length = snprintf(value, sizeof value, "%ld", random() % 1000000);

    kvsimple_make(msg, key, (size_t) size, number, value, (size_t) length);
}

bool kvsimple_recv(zg_msg *msg, void *sock, int flags)
{
    if (!zg_recv(msg, sock, flags))
        return false;
    if (!kv_valid(msg, KVSIMPLE_FRAMES)) {
        zg_drop(msg, "a peer");
        zg_clear(msg);
    }
    return true;
}
