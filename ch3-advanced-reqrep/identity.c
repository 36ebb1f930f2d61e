/* SPDX-License-Identifier: 0BSD */
/* identity.c - what a ROUTER socket calls its peers.
 *
 *     REQ, no name ------+
 *                        +--> ROUTER, which shows every frame
 *     REQ, named PEER2 --+
 *
 * A ROUTER puts in front of each message the id of the connection it came by:
 * the name that the peer has set before it connected, or else five bytes that
 * the ROUTER made up. Send a message with that id in front, and it goes there.
 * To an id that nobody has, it would vanish: ZMQ_ROUTER_MANDATORY turns that
 * into an error.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/identity.c -o identity -lzmq -lpthread
 *
 * Try it:
 *     $ bin/identity
 *     ----------------------------------------
 *     [005] 00...
 *     [000]
 *     [029] My name is made by the ROUTER
 *     ----------------------------------------
 *     [005] PEER2
 *     [000]
 *     [020] My name is of my own
 *     PEER2 received: I see you
 *     PEER3: Host unreachable
 *
 * Guide: chapter 3, "Identities and Addresses".
 */
#include "zg.h"

#include <ctype.h>

static const char usage[] = "identity\n"
                            "Shows the ids by which a ROUTER knows its peers.\n"
                            "Peers: none, it plays them all\n";

/* Each frame with its size: as text, or in hex if it is none. */
static void dump(zg_msg *msg)
{
    puts("----------------------------------------");
    for (int i = 0; i < msg->count; i++) {
        const unsigned char *byte = zmq_msg_data(&msg->frame[i]);
        int size = (int) zmq_msg_size(&msg->frame[i]), printable = 0;

        while (printable < size && isprint(byte[printable]))
            printable++;
        printf("[%03d] ", size);
        for (int n = 0; n < size; n++)
            printf(printable == size ? "%c" : "%02X", byte[n]);
        puts("");
    }
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    void *sink = zg_socket(ctx, ZMQ_ROUTER);
    void *anonymous = zg_socket(ctx, ZMQ_REQ);
    void *named = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };
    char text[64];

    zg_set(sink, ZMQ_ROUTER_MANDATORY, 1);
    zg_must(zmq_bind(sink, "inproc://example"));

    zg_connect(anonymous, "inproc://example");
    zmq_send(anonymous, "My name is made by the ROUTER", 29, 0);
    zg_recv(&msg, sink, 0);
    dump(&msg);

    zg_must(zmq_setsockopt(named, ZMQ_ROUTING_ID, "PEER2", 5));
    zg_connect(named, "inproc://example");
    zmq_send(named, "My name is of my own", 20, 0);
    zg_recv(&msg, sink, 0);
    dump(&msg);

    /* Keep [PEER2][], put an answer behind it, and back it goes. */
    zmq_msg_close(&msg.frame[--msg.count]);
    zg_insert(&msg, msg.count, "I see you", 9);
    zg_send(&msg, sink, 0);
    if (zg_recv(&msg, named, 0))
        printf("PEER2 received: %s\n",
               zg_text(&msg.frame[0], text, sizeof text));
    if (zmq_send(sink, "PEER3", 5, ZMQ_SNDMORE) == -1)
        printf("PEER3: %s\n", zmq_strerror(errno));

    zg_clear(&msg);
    zmq_close(anonymous);
    zmq_close(named);
    zmq_close(sink);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
