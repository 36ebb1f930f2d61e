/* SPDX-License-Identifier: 0BSD */
/* clone.h - a table that many clients and a pair of servers share (RFC 12).
 *
 *     clone *table = clone_new(ctx, 5000);
 *     clone_subtree(table, "/client/");
 *     clone_connect(table, "tcp://localhost:5556");
 *     clone_connect(table, "tcp://localhost:5566");
 *     clone_set(table, "/client/a", 9, "hello", 5, 30);
 *     clone_sync(table, 10000);
 *     char *value = clone_get(table, "/client/a", 9, NULL);
 *     free(value);
 *     clone_destroy(&table);
 *
 * A thread of its own keeps the copy, goes to the other server when one falls
 * silent, and sends again what no server has confirmed. One thread at a time
 * may use a clone.
 */
#pragma once
#include "zg.h"

typedef struct clone clone;

/* A server that says nothing for so many milliseconds is left for the other;
 * it is to be a few times what they let pass between two HUGZ. */
clone *clone_new(void *ctx, long silence);
void clone_destroy(clone **self);

/* All functions below that return bool set errno when they return false: EINVAL
 * if an argument will not do, ETERM if the program is to stop. */

/* Take part in what begins with this, of at most 255 bytes; "" is all, and so
 * is the beginning. To be said before the first connect or set. */
bool clone_subtree(clone *self, const char *subtree);

/* Use this server, by the endpoint of its snapshots, as tcp://localhost:5556;
 * the others are at the next two ports. A third server is EINVAL. */
bool clone_connect(clone *self, const char *endpoint);

/* Set a key of 1 to 255 bytes, in the subtree, to a value of up to 1000000, for
 * ttl seconds (nine digits), or 0 for ever; an empty value deletes it. Both are
 * copied. ENOBUFS: 10000 keys wait to be confirmed by a server. */
bool clone_set(clone *self, const void *key, size_t key_size, const void *value,
               size_t value_size, long ttl);

/* What the key is: what we have set, or else what the server said last. NULL if
 * there is none. It is ended by '\0', besides, and the caller's to free. */
char *clone_get(clone *self, const void *key, size_t key_size, size_t *size);

/* Wait until servers have confirmed all that we have set; ETIMEDOUT. */
bool clone_sync(clone *self, long msecs);

/* Take part no longer, and print "N keys, sequence S, digest D" of what servers
 * have said. Only clone_destroy() may follow. */
void clone_report(clone *self);
