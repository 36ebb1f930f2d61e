/* SPDX-License-Identifier: 0BSD */
/* udplib.h - datagrams to all that are near, and from them.
 *
 *     udplib *udp = udplib_new("255.255.255.255", 9999);
 *     udplib_send(udp, "!", 1);
 *     while ((size = udplib_recv(udp, data, sizeof data, from)) != -1)
 *         ... size bytes of data, from address and port
 *     udplib_destroy(&udp);
 */
#pragma once
#include "zg.h"

typedef struct udplib udplib;

/* Room for "255.255.255.255:65535" */
enum { UDPLIB_FROM = 24 };

/* A socket on this port of all interfaces, shared with others of this host. It
 * sends to the address given, where 255.255.255.255 means: to the broadcast
 * address of every interface that has one at that moment. It belongs to one
 * thread. Ends the program when the address is none or the port is taken. */
udplib *udplib_new(const char *broadcast, int port);

/* Closes the socket, frees all, and sets *self to NULL. */
void udplib_destroy(udplib **self);

/* For zmq_poll(): its file descriptor. */
int udplib_handle(const udplib *self);

/* Never waits and never fails: what cannot be sent now is lost, as datagrams
 * are. When that begins, a line on stderr says why. */
void udplib_send(udplib *self, const void *data, size_t size);

/* One datagram, without waiting: puts its bytes into data, and "address:port"
 * of its sender into from. Returns its size, at most the room given (so give
 * more than you expect, to tell what is too long), or -1 when there is none. */
ssize_t udplib_recv(udplib *self, void *data, size_t room,
                    char from[UDPLIB_FROM]);
