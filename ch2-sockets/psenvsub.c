/* SPDX-License-Identifier: 0BSD */
/* psenvsub.c - subscribes to one kind of message, by its envelope.
 *
 *     PUB psenvpub ---> SUB psenvsub
 *                  5563   (this)
 *
 * A subscription is a prefix: "B" lets pass B, and BANANA too. A program that
 * means B alone has to look at the envelope it got; this one marks the others.
 * (Or end every key with a byte that no key contains.)
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
    "Prints the messages whose first frame begins with a prefix.\n"
    "  ENDPOINT  connect to psenvpub (tcp://localhost:5563)\n"
    "  PREFIX    what to subscribe to (B)\n"
    "Peers: psenvpub ENDPOINT\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *subscriber = zg_socket(ctx, ZMQ_SUB);
    const char *prefix = zg_value[1];
    zg_msg msg = { 0 };

    zg_connect(subscriber, zg_value[0]);
    zg_must(zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, prefix, strlen(prefix)));
    while (zg_recv(&msg, subscriber, 0)) {
        if (msg.count == 0) {
            zg_drop(&msg, "the publisher");
            continue;
        }
        for (int i = 0; i < msg.count; i++) {
            fputs(i == 0 ? "[" : i == 1 ? "] " : " ", stdout);
            fwrite(zmq_msg_data(&msg.frame[i]), zmq_msg_size(&msg.frame[i]), 1,
                   stdout);
        }
        puts(zg_is(&msg, 0, prefix) ? "" : " (only the prefix fits)");
    }
    zmq_close(subscriber);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
