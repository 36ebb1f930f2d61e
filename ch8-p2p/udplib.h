/* SPDX-License-Identifier: 0BSD */
/* udplib.h - sends datagrams to all networks of this host, and receives them.
 *
 *     udplib *udp = udplib_new("255.255.255.255", 9999);
 *     udplib_send(udp, "!", 1);
 *     while ((size = udplib_recv(udp, data, sizeof data, from)) != -1)
 *         ... size bytes of data, sent by from
 *     udplib_destroy(&udp);
 */
#pragma once
#include "zg.h"

typedef struct udplib udplib;

/* Room for "255.255.255.255:65535". */
enum { UDPLIB_FROM = 24 };

/* Return a socket on this port of all interfaces. Programs on one host can
 * share the port. The socket sends to the broadcast address, where
 * 255.255.255.255 stands for all networks of this host. An invalid address, or
 * a port that another program holds exclusively, ends the program. */
udplib *udplib_new(const char *broadcast, int port);

/* Close the socket, free all memory, and set *self to NULL. */
void udplib_destroy(udplib **self);

/* Return the file descriptor, for zmq_poll(). */
int udplib_handle(const udplib *self);

/* Send a datagram, without waiting. If the kernel cannot send it now, it is
 * lost. Log the reason once, and again when it changes. */
void udplib_send(udplib *self, const void *data, size_t size);

/* Receive a datagram, without waiting, and write "address:port" of its sender
 * to from. Return its size, or -1 if no datagram has arrived. Of a datagram
 * longer than room, return only the first room bytes: to detect that, give room
 * for one byte more than you expect. */
ssize_t udplib_recv(udplib *self, void *data, size_t room,
                    char from[UDPLIB_FROM]);
