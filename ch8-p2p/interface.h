/* SPDX-License-Identifier: 0BSD */
/* interface.h - reports which nodes join and leave the networks, as messages.
 *
 *     interface *node = interface_new(ctx, "255.255.255.255");
 *     while (interface_recv(node, &msg))
 *         ... msg is [JOINED][UUID] or [LEFT][UUID]
 *     interface_destroy(&node);
 */
#pragma once
#include "zg.h"

typedef struct interface interface;

/* Return a new node with a random UUID. A thread announces it on UDP port 9999
 * and detects the other nodes. `broadcast` is the broadcast address of a
 * network, or 255.255.255.255 for all networks of this host. An invalid address
 * ends the program. Use the interface only in the thread that created it. */
interface *interface_new(void *ctx, const char *broadcast);

/* Announce the end of the node, join the thread, free all memory, and set *self
 * to NULL. Call it before zg_stop(), which waits for its sockets. */
void interface_destroy(interface **self);

/* Return the node's UUID, 32 hexadecimal digits. The interface owns them. */
const char *interface_uuid(const interface *self);

/* Wait for the next event and receive it in place of msg: [JOINED][UUID] or
 * [LEFT][UUID], where UUID is 32 hexadecimal digits. Up to 2000 unread events
 * are queued. While the queue is full, the interface keeps only the state of
 * each peer: one that joins and leaves in that time is not reported. A peer
 * that leaves and joins again in that time is not reported either. False on
 * shutdown. */
bool interface_recv(interface *self, zg_msg *msg);
