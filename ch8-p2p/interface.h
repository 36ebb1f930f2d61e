/* SPDX-License-Identifier: 0BSD */
/* interface.h - who comes and who goes on this network, as messages.
 *
 *     interface *near = interface_new(ctx, "255.255.255.255");
 *     while (interface_recv(near, &msg))
 *         ... msg is [JOINED][UUID] or [LEFT][UUID]
 *     interface_destroy(&near);
 */
#pragma once
#include "zg.h"

typedef struct interface interface;

/* A node with an identity of its own, new each time, that others see and that
 * sees others, in a thread of its own. The address is where to say so: see
 * udplib.h. Its UDP port is 9999. Ends the program when it cannot have that.
 * The interface belongs to the thread that made it. */
interface *interface_new(void *ctx, const char *broadcast);

/* The others are told, and see us leave at once. Joins the thread, frees all,
 * and sets *self to NULL. Before zg_stop(), which waits for its sockets. */
void interface_destroy(interface **self);

/* Our own UUID: 32 hexadecimal digits, which belong to the interface. */
const char *interface_uuid(const interface *self);

/* Waits for the next event and puts it in place of msg: the frames [JOINED] or
 * [LEFT], and then the peer's UUID as 32 hexadecimal digits. Who does not read
 * misses nothing that still matters: of a peer that came and went meanwhile he
 * is told nothing. False when the program is to stop (errno is ETERM). */
bool interface_recv(interface *self, zg_msg *msg);
