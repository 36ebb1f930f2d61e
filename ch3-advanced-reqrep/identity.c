/* SPDX-License-Identifier: 0BSD */
/* identity.c - the routing ids by which a ROUTER socket knows its peers.
 *
 *     REQ without an id --+
 *                         +--> ROUTER, which prints every frame
 *     REQ, id PEER2 ------+
 *
 * A ROUTER puts the routing id of the sender in front of each message that it
 * receives. A peer may set its id before it connects; for other peers the
 * ROUTER generates five bytes. To send to a peer, the program puts the peer's
 * id in front of the message. The ROUTER drops a message to an unknown id
 * without an error, unless ZMQ_ROUTER_MANDATORY is set.
 *
 * Build: cc -Icommon ch3-advanced-reqrep/identity.c -o identity -lzmq -lpthread
 *
 * Try it:
 *     $ bin/identity
 *     ----------------------------------------
 *     [005] 00...
 *     [000]
 *     [022] The ROUTER chose my id
 *     ----------------------------------------
 *     [005] PEER2
 *     [000]
 *     [013] I chose my id
 *     PEER2 received: I see you
 *     PEER3: Host unreachable
 *
 * Guide: chapter 3, "Identities and Addresses".
 */
#include "zg.h"

#include <ctype.h>

static const char usage[] =
    "identity\n"
    "Prints the routing ids by which a ROUTER knows its peers.\n"
    "Peers: none needed\n";

/* Print each frame with its size: as text, or in hex if it is not printable. */
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

/* Connect the peer, send a message to the ROUTER, and print all its frames. */
static void send_and_print(void *peer, void *router, const char *text,
                           zg_msg *msg)
{
    zg_connect(peer, "inproc://example");
    zmq_send(peer, text, strlen(text), 0);
    if (zg_recv(msg, router, 0))
        dump(msg);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start();
    void *router = zg_socket(ctx, ZMQ_ROUTER);
    void *anonymous = zg_socket(ctx, ZMQ_REQ);
    void *named = zg_socket(ctx, ZMQ_REQ);
    zg_msg msg = { 0 };
    char text[64];

    zg_set(router, ZMQ_ROUTER_MANDATORY, 1); /* report unreachable peers */
    zg_set(router, ZMQ_ROUTER_HANDOVER, 1);  /* accept restarted peers */
    zg_must(zmq_bind(router, "inproc://example"));
    send_and_print(anonymous, router, "The ROUTER chose my id", &msg);
    zg_must(zmq_setsockopt(named, ZMQ_ROUTING_ID, "PEER2", 5));
    send_and_print(named, router, "I chose my id", &msg);

    /* The frames are [PEER2][][text]: replace the text to reply to PEER2. */
    if (msg.count == 3) {
        zg_cut(&msg, 2);
        zg_insert(&msg, 2, "I see you", 9);
        zg_send(&msg, router, 0);
    }
    if (zg_recv(&msg, named, 0))
        printf("PEER2 received: %s\n",
               zg_text(&msg.frame[0], text, sizeof text));
    if (zmq_send(router, "PEER3", 5, ZMQ_SNDMORE) == -1)
        printf("PEER3: %s\n", zmq_strerror(errno));

    zg_clear(&msg);
    zmq_close(anonymous);
    zmq_close(named);
    zmq_close(router);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
