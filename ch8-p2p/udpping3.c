/* SPDX-License-Identifier: 0BSD */
/* udpping3.c - prints which nodes join and leave the networks.
 *
 *     udpping3 (this) - interface <---UUID, once a second---> udpping3
 *                          9999                               udpping3
 *
 * The interface does the work, in its own thread: see interface.c. The
 * application receives messages from it.
 *
 * Build: cc -Icommon ch8-p2p/udpping3.c ch8-p2p/interface.c ch8-p2p/udplib.c
 *           -o udpping3 -lzmq -lpthread
 *
 * Try it:
 *     $ bin/udpping3 127.255.255.255 & bin/udpping3 127.255.255.255
 *     I: node ... bound to udp://0.0.0.0:9999
 *     [006] JOINED
 *     [032] ...
 *
 * Guide: chapter 8, "Designing the API".
 */
#include "interface.h"

static const char usage[] =
    "udpping3 [BROADCAST]\n"
    "Prints which nodes join and leave the networks, by UUID.\n"
    "  BROADCAST  address to send to, or all networks (255.255.255.255)\n"
    "Peers: udpping3 BROADCAST\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    interface *node = interface_new(ctx, zg_value[0]);
    zg_msg msg = { 0 };
    char text[64];

    printf("I: node %s bound to udp://0.0.0.0:9999\n", interface_uuid(node));
    while (interface_recv(node, &msg)) {
        puts("----------------------------------------");
        for (int i = 0; i < msg.count; i++)
            printf("[%03zu] %s\n", zmq_msg_size(&msg.frame[i]),
                   zg_text(&msg.frame[i], text, sizeof text));
    }
    zg_clear(&msg);
    interface_destroy(&node);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
