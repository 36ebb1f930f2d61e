/* SPDX-License-Identifier: 0BSD */
/* psenvsub.c - subscriber that selects messages by their envelope.
 *
 *     PUB psenvpub ---> SUB psenvsub
 *                  5563   (this)
 *
 * A subscription is a prefix of the first frame: "B" matches the envelopes B
 * and BANANA. To receive only B, a subscriber compares the whole envelope, or
 * the publisher ends every key with a byte that occurs nowhere else in a key.
 * This program marks messages of which only the prefix matches.
 *
 * A subscriber misses all messages that are published before it has connected.
 * clonecli2.c shows how to recover them.
 *
 * Build: cc -Icommon ch2-sockets/psenvsub.c -o psenvsub -lzmq -lpthread
 *
 * Try it: see psenvpub.c.
 *
 * Guide: chapter 2, "Pub-Sub Message Envelopes".
 */
#include "zg.h"

static const char usage[] =
    "psenvsub [ENDPOINT [PREFIX]]\n"
    "Prints messages whose first frame begins with PREFIX.\n"
    "  ENDPOINT  connect to psenvpub (tcp://localhost:5563)\n"
    "  PREFIX    subscription (B)\n"
    "Peers: psenvpub ENDPOINT\n";

/* Print [envelope] and then the other frames. */
static void print_message(zg_msg *msg, const char *prefix)
{
    static char text[(1 << 20) + 1]; /* 1 MB of a frame; more is cut */

    printf("[%s]", zg_text(&msg->frame[0], text, sizeof text));
    for (int i = 1; i < msg->count; i++)
        printf(" %s", zg_text(&msg->frame[i], text, sizeof text));
    puts(zg_is(msg, 0, prefix) || prefix[0] == '\0'
             ? ""
             : " (only the prefix matches)");
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *subscriber = zg_socket(ctx, ZMQ_SUB);
    const char *prefix = zg_value[1];
    zg_msg msg = { 0 };

    zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, prefix, strlen(prefix)));
    zg_connect(subscriber, zg_value[0]);
    while (zg_recv(&msg, subscriber, 0))
        if (msg.count > 0)
            print_message(&msg, prefix);
        else
            zg_drop(&msg, "the publisher");
    zmq_close(subscriber);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
