/* SPDX-License-Identifier: 0BSD */
/* lvfill.c - publishes very many topics.
 *
 *     PUB lvfill ---> SUB lvcache
 *         (this)
 *
 * It waits for a subscription. Then it publishes the topics 00000000, 00000001
 * and so on. A value is the number of the round, filled up with dots. It does
 * not end by itself: with its ipc connection the last messages could be lost.
 */
#include "zg.h"

static const char usage[] =
    "lvfill [-n COUNT] [-r N] [-z BYTES] [-w N] ENDPOINT\n"
    "Publishes very many topics.\n"
    "  -n COUNT  topics (1000)\n"
    "  -r N      rounds (1)\n"
    "  -z BYTES  size of a value (10)\n"
    "  -w N      messages on topic x after each of them (0)\n"
    "  ENDPOINT  connect\n";

/* Publish [topic][value]. */
static void publish(void *publisher, const char *topic, long round)
{
    size_t size = (size_t) zg_number('z'), digits;
    char number[24];
    zg_msg msg = { 0 };

    digits = (size_t) sprintf(number, "%ld", round);
    zg_insert(&msg, 0, topic, strlen(topic));
    zmq_msg_init_size(&msg.frame[msg.count++], size);
    memset(zmq_msg_data(&msg.frame[1]), '.', size);
    memcpy(zmq_msg_data(&msg.frame[1]), number, digits < size ? digits : size);
    zg_send(&msg, publisher, 0);
    zg_clear(&msg);
}

static void publish_all(void *publisher)
{
    char topic[24];

    for (long round = 0; round < zg_number('r'); round++)
        for (long n = 0; n < zg_number('n'); n++) {
            sprintf(topic, "%08ld", n);
            publish(publisher, topic, round);
            for (long other = zg_number('w'); other > 0; other--)
                publish(publisher, "x", round);
        }
    printf("I: published\n");
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    void *ctx = zg_start(), *publisher = zg_socket(ctx, ZMQ_XPUB);
    zg_msg subscription = { 0 };

    zg_set(publisher, ZMQ_XPUB_NODROP, 1); /* wait for a slow subscriber */
    zg_connect(publisher, zg_value[0]);
    if (zg_recv(&subscription, publisher, 0))
        publish_all(publisher);
    while (zg_recv(&subscription, publisher, 0))
        continue;
    zmq_close(publisher);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
