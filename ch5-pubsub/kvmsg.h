/* SPDX-License-Identifier: 0BSD */
/* kvmsg.h - key-value messages of five frames, as in RFC 12:
 *
 *     [key][number][uuid][properties][value]
 *
 * The uuid is empty or has 16 bytes. It identifies an update, whether that
 * comes from a client, from the peer or in a snapshot.
 * Properties are lines "name=value\n". Servers interpret two: `ttl`, seconds
 * until the key expires, and `known`, the last number that a passive server had
 * when it passed the update on. Pass only valid messages to the functions
 * below; those that make a message expect an empty one.
 *
 * Guide: chapter 5, "Ephemeral Values".
 */
#pragma once
#include "chp.h"
#include "table.h"

enum { KVMSG_UUID = 2, KVMSG_PROPERTIES, KVMSG_VALUE, KVMSG_FRAMES };
enum { KVMSG_UUID_SIZE = 16, KVMSG_PROPERTY_MAX = 255 };
enum { KVMSG_TTL_MAX = 999999999 }; /* seconds */

/* Return true for a message of five frames with a valid key and number, and a
 * uuid of 16 bytes or none. */
bool kvmsg_is_valid(zg_msg *msg);

/* Return true if a server accepts this valid message from a client: its key is
 * not reserved, and its properties without `known` have at most
 * CHP_PROPERTIES_MAX bytes. */
bool kvmsg_is_acceptable(zg_msg *msg);

/* Receive a key-value message as zg_recv() does. A malformed one is dropped,
 * which leaves msg empty. */
bool kvmsg_recv(zg_msg *msg, void *sock, int flags);

/* Make [key][0][][][value] from copies of key and value. */
void kvmsg_make(zg_msg *msg, const void *key, size_t key_size,
                const void *value, size_t value_size);

/* Make an update that deletes an item: [key][0][][][] */
void kvmsg_make_delete(zg_msg *msg, const item *it);

/* Make a random update: one of 10,000 keys in a subtree. It has a
 * ttl of up to max_ttl seconds, or none if that is 0. */
void kvmsg_make_random(zg_msg *msg, const char *subtree, long max_ttl);

/* A program that sets keys. All its uuids begin with the same eight bytes,
 * which are random, and end with a count. */
struct kvmsg_writer {
    uint8_t id[8];
    uint64_t count;
};

struct kvmsg_writer kvmsg_new_writer(void);

/* Set the uuid to the next one of a writer, in the form of version 4 of RFC
 * 4122. */
void kvmsg_set_uuid(zg_msg *msg, struct kvmsg_writer *writer);

bool kvmsg_has_uuid(zg_msg *msg);

/* Return true if the message and the item have the same uuid, not an empty one.
 */
bool kvmsg_has_uuid_of(zg_msg *msg, const item *it);

int64_t kvmsg_item_number(const item *it);

/* Compare two updates of the same writer: return -1 if the message is earlier
 * than the item, and 1 if it is later. Return 0 if they are the same update, or
 * of different writers. */
int kvmsg_compare_by_writer(zg_msg *msg, const item *it);

/* Write the value of a property, or "". Return false if the message does not
 * have the property, or if its value is longer than KVMSG_PROPERTY_MAX. */
bool kvmsg_property(zg_msg *msg, const char *name,
                    char value[KVMSG_PROPERTY_MAX + 1]);

/* Set a property in place of the one with this name; NULL removes the property.
 * The name has no '=' or '\n', the value no '\n'. */
void kvmsg_set_property(zg_msg *msg, const char *name, const char *value);

/* Return the value of a property that is a decimal number of at most 18 digits,
 * or -1. */
int64_t kvmsg_number_property(zg_msg *msg, const char *name);

/* Return when the ttl of a message ends, on zg_now(). Return 0 for never, also
 * if the ttl is not a number from 1 to KVMSG_TTL_MAX. */
int64_t kvmsg_expires_at(zg_msg *msg);

/* Set the ttl to the seconds until a time that kvmsg_expires_at() has returned,
 * rounded up, at least 1. */
void kvmsg_set_ttl(zg_msg *msg, int64_t expires_at);

/* Shorten the ttl by `msecs`, and round it up to seconds: an update that is
 * aged several times expires later, never earlier. If the ttl has ended, empty
 * the value, so that the update deletes its key. */
void kvmsg_age(zg_msg *msg, int64_t msecs);

/* Append an item to a message, with its remaining ttl. snapshots_new() accepts
 * this function. */
void kvmsg_load(const item *it, zg_msg *msg);
