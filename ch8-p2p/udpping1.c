/* SPDX-License-Identifier: 0BSD */
/* udpping1.c - finds who is near: one byte to everybody, once a second.
 *
 *     udpping1 (this) ---"!"---> 255.255.255.255:9999 ---> udpping1
 *          9999       <--------------"!"------------------
 *
 * A datagram to the broadcast address reaches every host of the network, with
 * nobody's name known. Who hears it knows the sender's address, and nothing
 * more: that its own come back too cannot be told from the byte.
 *
 * zmq_poll() waits for plain descriptors as well. The 0MQ socket beside it gets
 * no messages; it is there to notice Ctrl-C.
 *
 * Here all that fails ends the program. udpping2 knows what may be forgiven.
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

static const char usage[] =
    "udpping1 [BROADCAST]\n"
    "Pings everybody on UDP port 9999 once a second, and prints who does.\n"
    "  BROADCAST  address that reaches them (255.255.255.255)\n"
    "Peers: udpping1 BROADCAST\n";

enum { PORT = 9999, PING_MS = 1000, BATCH = 100 };

static int open_udp(void)
{
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = { .sin_family = AF_INET };

    zg_must(udp);
    here.sin_port = htons(PORT);
    zg_must(
        setsockopt(udp, SOL_SOCKET, SO_BROADCAST, &(int){ 1 }, sizeof(int)));
    if (bind(udp, (struct sockaddr *) &here, sizeof here) == -1)
        zg_die("udp://0.0.0.0:9999");
    printf("I: node bound to udp://0.0.0.0:%d\n", PORT);
    return udp;
}

static void ping(int udp, const char *broadcast)
{
    struct sockaddr_in to = { .sin_family = AF_INET };

    to.sin_port = htons(PORT);
    errno = EINVAL;
    if (inet_pton(AF_INET, broadcast, &to.sin_addr) != 1
        || sendto(udp, "!", 1, 0, (struct sockaddr *) &to, sizeof to) == -1)
        zg_die(broadcast);
}

/* A ping is one byte, "!"; of anything longer two are read, and tell. False:
 * there was nothing to hear. */
static bool hear(int udp)
{
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    char data[2], text[INET_ADDRSTRLEN] = "";
    ssize_t size = recvfrom(udp, data, sizeof data, MSG_DONTWAIT,
                            (struct sockaddr *) &from, &length);

    if (size == -1)
        return zg_retry("recvfrom");
    inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
    if (size == 1 && data[0] == '!')
        printf("Found peer %s:%d\n", text, ntohs(from.sin_port));
    else
        zg_drop(&(zg_msg){ .count = 1 }, text);
    return true;
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *wakeup = zg_socket(ctx, ZMQ_PAIR);
    int udp = open_udp();
    zmq_pollitem_t items[] = { { wakeup, 0, ZMQ_POLLIN, 0 },
                               { NULL, udp, ZMQ_POLLIN, 0 } };
    int64_t ping_at = zg_now();

    while (zg_poll(items, 2, ping_at) != -1) {
        for (int n = 0; n < BATCH && hear(udp); n++)
            continue;
        if (zg_now() >= ping_at) {
            ping(udp, zg_value[0]);
            ping_at = zg_now() + PING_MS;
        }
    }
    close(udp);
    zmq_close(wakeup);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
