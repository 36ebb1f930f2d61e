/* SPDX-License-Identifier: 0BSD */
/* lvfill.c - a publisher of very many topics, for the tests.
 *
 *     lvfill [options] ENDPOINT
 *
 * Connects to a subscriber that takes all, publishes each topic once, from
 * 00000000 on, with a value that begins with the round and is filled up with
 * dots. Then it stays: what is sent last over ipc, before the connection ends,
 * is lost if the other side is not fast enough.
 */
#include "zg.h"

static const char usage[] =
    "lvfill [-n COUNT] [-r N] [-z BYTES] [-w N] ENDPOINT\n"
    "Publishes very many topics, for the tests.\n"
    "  -n COUNT  topics (1000)\n"
    "  -r N      rounds (1)\n"
    "  -z BYTES  size of a value (10)\n"
    "  -w N      messages on topic x after each of them (0)\n"
    "  ENDPOINT  where\n";

static bool publish(void *sock, const char *topic, long round, size_t size)
{
    char number[24];
    zg_msg msg = { 0 };
    int digits = sprintf(number, "%ld", round);

    zg_insert(&msg, 0, topic, strlen(topic));
    zmq_msg_init_size(&msg.frame[msg.count++], size);
    memset(zmq_msg_data(&msg.frame[1]), '.', size);
    memcpy(zmq_msg_data(&msg.frame[1]), number,
           (size_t) digits < size ? (size_t) digits : size);
    return zg_send(&msg, sock, 0);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    long count = zg_number('n'), rounds = zg_number('r');
    size_t size = (size_t) zg_number('z');
    void *ctx = zg_start(), *sock = zg_socket(ctx, ZMQ_XPUB);
    zg_msg subscription = { 0 };
    char topic[24];

    zg_set(sock, ZMQ_SNDHWM, 1000);
    zg_set(sock, ZMQ_XPUB_NODROP, 1);
    zg_connect(sock, zg_value[0]);
    if (!zg_recv(&subscription, sock, 0))
        count = 0;
    for (long round = 0; round < rounds; round++)
        for (long n = 0; n < count; n++) {
            sprintf(topic, "%08ld", n);
            publish(sock, topic, round, size);
            for (long other = zg_number('w'); other > 0; other--)
                publish(sock, "x", round, size);
        }
    printf("published\n");
    while (zg_recv(&subscription, sock, 0))
        continue;
    zg_clear(&subscription);
    zmq_close(sock);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
