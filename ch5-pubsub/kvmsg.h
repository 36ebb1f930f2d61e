/* SPDX-License-Identifier: 0BSD */
/* kvmsg.h - key-value messages of five frames, as in RFC 12:
 *
 *     [key][number][uuid][properties][value]
 *
 * The number is eight bytes, big endian; kv_number() of kvmap.h reads it. The
 * uuid has 16 bytes, or none, and is the same wherever the update goes.
 * Properties are lines "name=value\n". One is known: ttl, the seconds that the
 * key lives from now on.
 */
#pragma once
#include "kvmap.h"

enum { KVMSG_UUID = 2, KVMSG_PROPERTIES, KVMSG_VALUE, KVMSG_FRAMES };
enum { KVMSG_UUID_SIZE = 16, KVMSG_PROPERTY_MAX = 255 };
enum { KVMSG_TTL_MAX = 999999999 }; /* seconds */

/* Make msg, empty before, such a message, without uuid or properties; key and
 * value are copied. */
void kvmsg_make(zg_msg *msg, const void *key, size_t key_size, int64_t number,
                const void *value, size_t value_size);

/* Make msg, empty before, one that deletes this item: [key][0][][][] */
void kvmsg_make_delete(zg_msg *msg, const kvitem *item);

/* Give it a new uuid: random, version 4 of RFC 4122. */
void kvmsg_set_uuid(zg_msg *msg);

bool kvmsg_has_uuid(zg_msg *msg);

/* Is this the uuid of the item? No uuid is like no other. */
bool kvmsg_same(zg_msg *msg, const kvitem *item);

/* Forget all that waits for a confirmation and is in the table, known by its
 * uuid. */
void kvmsg_settle(kvmap *waiting, kvmap *table);

/* Set a property, in place of one of that name. False: there is a '\n' in it, a
 * '=' in the name, or the value has more than 255 characters. */
bool kvmsg_set_property(zg_msg *msg, const char *name, const char *value);

/* Its value, valid until the next call in this thread, or "". */
const char *kvmsg_property(zg_msg *msg, const char *name);

/* The moment of zg_now() at which its ttl ends, or 0 if it has none. What is no
 * number of 1 to 9 digits (KVMSG_TTL_MAX) is no ttl, and neither is 0. */
int64_t kvmsg_expires(zg_msg *msg);

/* So many milliseconds of its ttl are over: it gets what is left, in seconds,
 * rounded up. If that is nothing its value becomes empty, which deletes. */
void kvmsg_age(zg_msg *msg, int64_t msecs);

/* Append an item to a message, with the ttl that it has left (snapshots.h). */
void kvmsg_load(const kvitem *item, zg_msg *msg);

/* Receive one, as zg_recv() does. What is none is dropped, and msg is empty.
 * False: there was nothing, or the program is to stop. */
bool kvmsg_recv(zg_msg *msg, void *sock, int flags);

/* Can this message, from a peer, be kept: five frames, of the right sizes? Only
 * one that can may go to the functions above. */
bool kvmsg_valid(zg_msg *msg);

/* Its key means something else on the way (KTHXBAI, HUGZ): no client may set
 * it. */
bool kvmsg_reserved(zg_msg *msg);
