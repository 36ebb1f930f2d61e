/* SPDX-License-Identifier: 0BSD */
/* udpping3.c - says who joins the network and who leaves it.
 *
 *     udpping3 (this) - interface <---UUID, every second---> udpping3
 *                             9999                           udpping3
 *
 * All the work is in the interface, and happens in a thread of its own: see
 * interface.c. What is left for the application is to receive messages.
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
    "Prints who joins and who leaves, by UUID.\n"
    "  BROADCAST  where they are; all networks (255.255.255.255)\n"
    "Peers: udpping3 BROADCAST\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    interface *near = interface_new(ctx, zg_value[0]);
    zg_msg msg = { 0 };
    char text[256];

    printf("I: node %s bound to udp://0.0.0.0:9999\n", interface_uuid(near));
    while (interface_recv(near, &msg)) {
        puts("----------------------------------------");
        for (int i = 0; i < msg.count; i++)
            printf("[%03zu] %s\n", zmq_msg_size(&msg.frame[i]),
                   zg_text(&msg.frame[i], text, sizeof text));
    }
    interface_destroy(&near);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
