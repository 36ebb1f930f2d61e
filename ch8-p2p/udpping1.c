/* SPDX-License-Identifier: 0BSD */
/* udpping1.c - finds its peers: broadcasts a byte once a second.
 *
 *     udpping1 (this) ---"!"---> 255.255.255.255:9999 ---> udpping1
 *          9999       <--------------"!"------------------
 *
 * A datagram to the broadcast address reaches every host of the network. The
 * receivers learn the address of the sender, and nothing else. So a node cannot
 * tell its own ping from that of a peer.
 *
 * zmq_poll() also waits for plain descriptors. The 0MQ socket beside it
 * receives no messages: it ends the wait on Ctrl-C.
 *
 * Each error ends this program, and only one can run on a host. udpping2.c
 * survives errors and shares the port.
 *
 * Build: cc -Icommon ch8-p2p/udpping1.c -o udpping1 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/udpping1 127.255.255.255
 *     I: node bound to udp://0.0.0.0:9999
 *     Found peer 127.0.0.1:9999
 *     Found peer 127.0.0.1:9999
 *
 * Guide: chapter 8, "Cooperative Discovery Using UDP Broadcasts".
 */
#include "zg.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const char usage[] =
    "udpping1 [BROADCAST]\n"
    "Broadcasts a ping once a second and prints the pings that arrive.\n"
    "  BROADCAST  address to send to, port 9999 (255.255.255.255)\n"
    "Peers: udpping1 BROADCAST\n";

enum {
    PORT = 9999,
    PING_MS = 1000,
    BATCH = 100, /* datagrams in a row; then check the clock */
};

static int open_socket(void)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    int udp = socket(AF_INET, SOCK_DGRAM, 0);

    zg_must(udp);
    any.sin_port = htons(PORT);
    zg_must(
        setsockopt(udp, SOL_SOCKET, SO_BROADCAST, &(int){ 1 }, sizeof(int)));
    if (bind(udp, (struct sockaddr *) &any, sizeof any) == -1)
        zg_die("udp://0.0.0.0:9999");
    printf("I: node bound to udp://0.0.0.0:%d\n", PORT);
    return udp;
}

static void send_ping(int udp, struct sockaddr_in *to)
{
    if (sendto(udp, "!", 1, 0, (struct sockaddr *) to, sizeof *to) == -1)
        zg_die(zg_value[0]);
}

/* Receive "!", and print its sender. Return false if none has arrived. */
static bool receive_ping(int udp)
{
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    char data[2], address[INET_ADDRSTRLEN] = "";
    ssize_t size = recvfrom(udp, data, sizeof data, MSG_DONTWAIT,
                            (struct sockaddr *) &from, &length);

    if (size == -1)
        return zg_retry("recvfrom");
    inet_ntop(AF_INET, &from.sin_addr, address, sizeof address);
    if (size == 1 && data[0] == '!')
        printf("Found peer %s:%d\n", address, ntohs(from.sin_port));
    else
        fprintf(stderr, "W: dropped a malformed ping from %s\n", address);
    return true;
}

int main(int argc, char *argv[])
{
    struct sockaddr_in to = { .sin_family = AF_INET };

    zg_args(argc, argv, usage);
    to.sin_port = htons(PORT);
    if (inet_pton(AF_INET, zg_value[0], &to.sin_addr) != 1)
        zg_usage_error();
    void *ctx = zg_start(), *stop = zg_socket(ctx, ZMQ_PAIR);
    int udp = open_socket();
    zmq_pollitem_t items[] = { { stop, 0, ZMQ_POLLIN, 0 },
                               { NULL, udp, ZMQ_POLLIN, 0 } };
    int64_t ping_at = zg_now();

    while (zg_poll(items, 2, ping_at) != -1) {
        for (int n = 0; n < BATCH && receive_ping(udp); n++)
            continue;
        if (zg_now() >= ping_at) {
            send_ping(udp, &to);
            ping_at = zg_now() + PING_MS;
        }
    }
    close(udp);
    zmq_close(stop);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
