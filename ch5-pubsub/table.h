/* SPDX-License-Identifier: 0BSD */
/* table.h - messages in the order of their keys: a skip list.
 *
 * Frame 0 of a message is its key. Keys are compared byte by byte, and a key
 * sorts before its own continuations. All keys of a subtree are therefore
 * adjacent, and table_lower_bound() finds the first of them.
 *
 * The table copies messages: a received frame can share an 8 KiB buffer with
 * others, and keeping the frame would keep the buffer. A message that is passed
 * to a function remains the caller's.
 *
 * A server refuses updates beyond TABLE_MAX_BYTES: table_has_room(). The
 * program exits if the items occupy more than twice as much, since a faulty
 * server must not use all memory of a client. It also exits if malloc() fails.
 */
#pragma once
#include "zg.h"

enum { TABLE_FRAMES = 5, TABLE_MAX_BYTES = 1 << 30 };

typedef struct table table;

/* A message in a table, which owns it. It is valid until its key is put again
 * or removed. */
typedef struct item item;

table *table_new(void);
void table_destroy(table **self);

size_t table_count(const table *self);

/* Return the bytes that the items occupy, without the links of the list. */
size_t table_bytes(const table *self);

/* Return true if the message deletes its key, or if it fits into
 * TABLE_MAX_BYTES. The item that it would replace counts as well. */
bool table_has_room(const table *self, zg_msg *msg);

/* Put a copy of a message of 1 to TABLE_FRAMES frames, in place of the item
 * with the same key. `at` is a time of the caller's choice, for example when
 * the key expires, or 0 for none. */
void table_put(table *self, zg_msg *msg, int64_t at);

/* Apply an update: put it, or remove its key if its last frame is empty. */
void table_update(table *self, zg_msg *msg, int64_t at);

void table_remove(table *self, item *it);

/* Return the item with this key, or NULL. */
item *table_find(table *self, zmq_msg_t *key);

/* Return the first item whose key is not less than this one, or NULL. */
item *table_lower_bound(table *self, const void *key, size_t size);

/* Return the first item in the order of the keys, or NULL. */
item *table_first(table *self);

/* Return the item after this one, or NULL. */
item *item_next(const item *it);

/* Return the item that was put first of those that have a time, or NULL. */
item *table_first_timed(table *self);

/* Return the item with a time that was put after this one, or NULL. */
item *item_next_timed(const item *it);

/* Return the time of an item, or 0. */
int64_t item_time(const item *it);

/* Return a frame and its size; frame -1 is the last. The item owns the bytes.
 */
const void *item_frame(const item *it, int frame, size_t *size);

/* Append copies of the item's frames to a message. */
void item_append(const item *it, zg_msg *msg);

/* Return true if the item's key begins with `subtree`. */
bool item_is_below(const item *it, const void *subtree, size_t size);

/* Print "N keys, sequence S, digest D". D is the 64-bit FNV-1a of all keys and
 * values in order, each after its length in four bytes, big endian. */
void table_report(table *self, int64_t sequence);
