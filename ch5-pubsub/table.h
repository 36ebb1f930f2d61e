/* SPDX-License-Identifier: 0BSD */
/* table.h - messages in the order of their keys: a skip list.
 *
 * Frame 0 of a message is its key. Keys are compared byte by byte, and a key
 * sorts before its own continuations. All keys of a subtree are neighbours
 * therefore, and table_lower_bound() finds the first of them.
 *
 * The table holds copies: a received frame can share a buffer of 8 KiB with
 * others, and would keep all of it. A message that is passed to a function
 * remains the caller's. Without memory the program ends.
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

/* Return the number of items, and the bytes that they occupy. */
size_t table_count(const table *self);
size_t table_bytes(const table *self);

/* Return true if the table can take a copy of this message without exceeding
 * TABLE_MAX_BYTES, or if the message deletes its key. */
bool table_has_room(const table *self, zg_msg *msg);

/* Put a copy of a message of 1 to TABLE_FRAMES frames, in place of the item
 * with the same key. `at` is a time of the caller's choice, for example when
 * the key expires, or 0 for none. */
void table_put(table *self, zg_msg *msg, int64_t at);

/* Apply an update: put it, or remove its key if the last frame is empty. */
void table_update(table *self, zg_msg *msg, int64_t at);

void table_remove(table *self, item *it);

/* Return the item with this key, or NULL. */
item *table_find(table *self, const void *key, size_t size);

/* Return the first item whose key is not less than this one, or NULL. */
item *table_lower_bound(table *self, const void *key, size_t size);

/* Return the first item, and the one after an item, or NULL. */
item *table_first(table *self);
item *item_next(const item *it);

/* Return the first item that has a time, and the next one, or NULL. The order
 * is that in which the items were put, not that of the times. */
item *table_first_timed(table *self);
item *item_next_timed(const item *it);
int64_t item_time(const item *it);

/* Return a frame and its size; frame -1 is the last. The bytes are the item's.
 */
const void *item_frame(const item *it, int frame, size_t *size);

/* Append copies of its frames to a message. */
void item_append(const item *it, zg_msg *msg);

/* Return true if its key begins with this. */
bool item_is_below(const item *it, const void *subtree, size_t size);

/* Print "N keys, sequence S, digest D". D is the 64-bit FNV-1a of all keys and
 * values in order, each after its length in four bytes, big endian. */
void table_report(table *self, int64_t sequence);
