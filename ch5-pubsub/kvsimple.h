/* SPDX-License-Identifier: 0BSD */
/* kvsimple.h - key-value messages of three frames: [key][number][value].
 *
 * The number is eight bytes, big endian; kv_number() of kvmap.h reads it.
 */
#pragma once
#include "kvmap.h"

enum { KVSIMPLE_VALUE = 2, KVSIMPLE_FRAMES };

/* Make msg, empty before, such a message; key and value are copied. */
void kvsimple_make(zg_msg *msg, const void *key, size_t key_size,
                   int64_t number, const void *value, size_t value_size);

/* What programs here talk about: a number as a key, a number as its value, both
 * in decimal, the key behind a prefix. */
void kvsimple_random(zg_msg *msg, const char *prefix, int64_t number);

/* Receive one, as zg_recv() does. What is none is dropped, and msg is empty.
 * False: there was nothing, or the program is to stop. */
bool kvsimple_recv(zg_msg *msg, void *sock, int flags);
