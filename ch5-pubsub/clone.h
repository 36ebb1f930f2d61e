/* SPDX-License-Identifier: 0BSD */
/* clone.h - a table that clients share through a pair of servers (RFC 12).
 *
 *     struct clone *table = clone_new(ctx, 5000);
 *     clone_subtree(table, "/client/");
 *     clone_connect(table, "tcp://localhost:5556");
 *     clone_connect(table, "tcp://localhost:5566");
 *     clone_set(table, "/client/a", 9, "hello", 5, 30);
 *     clone_sync(table, 10000);
 *     char *value = clone_get(table, "/client/a", 9, NULL);
 *     free(value);
 *     clone_destroy(&table);
 *
 * A thread keeps a replica of the table, sends each update again until a server
 * has published it, and joins the other server when the current one is silent.
 * Use a clone from one thread at a time. A function that returns false or NULL
 * sets errno: EINVAL for a bad argument, ETERM on shutdown. Unconfirmed updates
 * are lost at the end: call clone_sync() first.
 *
 * (Without a typedef: glibc has a function of that name.)
 */
#pragma once
#include "zg.h"

/* Return a new clone. It joins the other server after `timeout` ms without a
 * message. If the server that it joins remains passive, the clone waits up to
 * 3 s longer before it joins the other one. The timeout is at least 500; the
 * servers must send HUGZ several times within it. A frame must arrive within
 * the timeout: 1 MB takes 4 s at 2 Mbit/s. */
struct clone *clone_new(void *ctx, long timeout);
void clone_destroy(struct clone **self);

/* Take part in the subtree of keys that begin with this string of at most 255
 * bytes; "" is the whole table, which is the default. Call this before the
 * first clone_connect() or clone_set(). */
bool clone_subtree(struct clone *self, const char *subtree);

/* Connect to a server by its endpoint for snapshots, tcp://localhost:5556. The
 * next two ports are the server's too. EINVAL: libzmq refuses the endpoint, or
 * there are two servers already. */
bool clone_connect(struct clone *self, const char *endpoint);

/* Set a key of 1 to 255 bytes to a copy of a value of at most 1,000,000 bytes.
 * The key expires after ttl seconds, at most nine digits; 0 is no ttl. An empty
 * value deletes the key. EINVAL: the key is outside the subtree, or KTHXBAI or
 * HUGZ. ENOBUFS: 10,000 other keys, or 256 MiB of updates, are unconfirmed. */
bool clone_set(struct clone *self, const void *key, size_t key_size,
               const void *value, size_t value_size, long ttl);

/* Return the value of a key: the unconfirmed value that this client has set, or
 * else the value in the replica. The caller frees it. A '\0', which `size` does
 * not count, ends the value; `size` may be NULL. Return NULL and set errno
 * otherwise: ENOENT if there is no such key, EINVAL if the key is too long. */
char *clone_get(struct clone *self, const void *key, size_t key_size,
                size_t *size);

/* Wait until a server has confirmed all updates of this client. ETIMEDOUT: some
 * are still unconfirmed after `msecs`. */
bool clone_sync(struct clone *self, long msecs);

/* End the thread, and print "N keys, sequence S, digest D" of the replica. Only
 * clone_destroy() may follow. */
void clone_report(struct clone *self);
