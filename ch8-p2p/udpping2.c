/* SPDX-License-Identifier: 0BSD */
/* udpping2.c - finds who is near, on a socket that survives the network.
 *
 *     udpping2 (this) ---"!"---> every host of every network ---> udpping2
 *          9999       <--------------------"!"-------------------
 *
 * The same as udpping1, with what concerns sockets in a class of its own. What
 * that buys: several on one host, all interfaces instead of one, and cables
 * that are pulled and plugged in again.
 *
 * Build: cc -Icommon ch8-p2p/udpping2.c ch8-p2p/udplib.c
 *           -o udpping2 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/udpping2 127.255.255.255 & bin/udpping2 127.255.255.255
 *     I: node bound to udp://0.0.0.0:9999
 *     Found peer 127.0.0.1:9999
 *     Found peer 127.0.0.1:9999
 *
 * Guide: chapter 8, "Cooperative Discovery Using UDP Broadcasts".
 */
#include "udplib.h"

static const char usage[] =
    "udpping2 [BROADCAST]\n"
    "Pings everybody on UDP port 9999 once a second, whatever happens.\n"
    "  BROADCAST  where they are; all networks (255.255.255.255)\n"
    "Peers: udpping2 BROADCAST\n";

enum { PORT = 9999, PING_MS = 1000, BATCH = 100 };

/* A ping is one byte, "!". False: there was nothing to hear. */
static bool hear(udplib *udp)
{
    char data[2], from[UDPLIB_FROM];
    ssize_t size = udplib_recv(udp, data, sizeof data, from);

    if (size == 1 && data[0] == '!')
        printf("Found peer %s\n", from);
    else if (size != -1)
        zg_drop(&(zg_msg){ .count = 1 }, from);
    return size != -1;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *wakeup = zg_socket(ctx, ZMQ_PAIR);
    udplib *udp = udplib_new(zg_value[0], PORT);
    zmq_pollitem_t items[] = { { wakeup, 0, ZMQ_POLLIN, 0 },
                               { NULL, udplib_handle(udp), ZMQ_POLLIN, 0 } };
    int64_t ping_at = zg_now();

    printf("I: node bound to udp://0.0.0.0:%d\n", PORT);
    while (zg_poll(items, 2, ping_at) != -1) {
        for (int n = 0; n < BATCH && hear(udp); n++)
            continue;
        if (zg_now() >= ping_at) {
            udplib_send(udp, "!", 1);
            ping_at = zg_now() + PING_MS;
        }
    }
    udplib_destroy(&udp);
    zmq_close(wakeup);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
