/* SPDX-License-Identifier: 0BSD */
/* udpping2.c - finds its peers on all networks, and survives their errors.
 *
 *     udpping2 (this) ---"!"---> every host of every network ---> udpping2
 *          9999       <--------------------"!"-------------------
 *
 * The same as udpping1, but udplib makes all socket calls: it lets several
 * nodes share the port, sends through each interface, and ignores errors of the
 * network. Pings reach the peers once the network works again.
 *
 * It still cannot tell its own ping from that of a peer. udpping3.c can.
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
    "Broadcasts a ping once a second and prints the pings that arrive.\n"
    "  BROADCAST  address to send to, or all networks (255.255.255.255)\n"
    "Peers: udpping2 BROADCAST\n";

enum {
    PORT = 9999,
    PING_MS = 1000,
    BATCH = 100, /* datagrams in a row; then check the clock */
};

/* Receive "!", and print its sender. Return false if none has arrived. */
static bool receive_ping(udplib *udp)
{
    char data[2], from[UDPLIB_FROM];
    ssize_t size = udplib_recv(udp, data, sizeof data, from);

    if (size == -1)
        return false;
    if (size == 1 && data[0] == '!')
        printf("Found peer %s\n", from);
    else
        fprintf(stderr, "W: dropped a malformed ping from %s\n", from);
    return true;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *stop = zg_socket(ctx, ZMQ_PAIR);
    udplib *udp = udplib_new(zg_value[0], PORT);
    zmq_pollitem_t items[] = { { stop, 0, ZMQ_POLLIN, 0 },
                               { NULL, udplib_handle(udp), ZMQ_POLLIN, 0 } };
    int64_t ping_at = zg_now();

    printf("I: node bound to udp://0.0.0.0:%d\n", PORT);
    while (zg_poll(items, 2, ping_at) != -1) {
        for (int n = 0; n < BATCH && receive_ping(udp); n++)
            continue;
        if (zg_now() >= ping_at) {
            udplib_send(udp, "!", 1);
            ping_at = zg_now() + PING_MS;
        }
    }
    udplib_destroy(&udp);
    zmq_close(stop);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
