/* SPDX-License-Identifier: 0BSD */
/* psenvpub.c - publisher that puts the key of each message into its own frame.
 *
 *     PUB psenvpub ---> SUB psenvsub
 *        (this)    5563
 *
 * The first frame of a message is its envelope. A subscription is compared with
 * the first bytes of the envelope only, so data can never match by accident. A
 * subscriber receives all frames of a message or none:
 *     [A][data]   [B][data]
 *
 * A publisher drops messages that have no subscriber. A subscriber that
 * connects later has missed the earlier messages: see psenvsub.c.
 *
 * Build: cc -Icommon ch2-sockets/psenvpub.c -o psenvpub -lzmq -lpthread
 *
 * Try it:
 *     $ bin/psenvpub & bin/psenvsub
 *     I: publisher bound to tcp://127.0.0.1:5563
 *     [B] This is what we asked for
 *     [B] This is what we asked for
 *
 * Guide: chapter 2, "Pub-Sub Message Envelopes".
 */
#include "zg.h"

static const char usage[] =
    "psenvpub [-n COUNT] [ENDPOINT]\n"
    "Publishes one message with key A and one with key B every second.\n"
    "  -n COUNT  pairs of messages, 0: until stopped (0)\n"
    "  ENDPOINT  bind (tcp://127.0.0.1:5563)\n"
    "Peers: psenvsub ENDPOINT\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long pairs = zg_number('n');
    void *ctx = zg_start(), *publisher = zg_socket(ctx, ZMQ_PUB);

    zg_bind(publisher, "publisher", zg_value[0]);
    do {
        zmq_send(publisher, "A", 1, ZMQ_SNDMORE);
        zmq_send(publisher, "This is for others", 18, 0);
        zmq_send(publisher, "B", 1, ZMQ_SNDMORE);
        zmq_send(publisher, "This is what we asked for", 25, 0);
    } while (--pairs != 0 && zg_sleep(publisher, 1000));
    zmq_close(publisher);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
