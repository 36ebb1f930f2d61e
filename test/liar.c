/* SPDX-License-Identifier: 0BSD */
/* liar.c - a server that answers each request with the same frames, for tests
 * of clients that receive a reply to no request of theirs. */
#include "zg.h"

static const char usage[] = "liar ENDPOINT [FRAME...]\n"
                            "Replies to each request with the same frames.\n"
                            "  ENDPOINT  bind\n"
                            "  FRAME...  of each reply\n";

int main(int argc, char *argv[])
{
    char **frames = zg_args(argc, argv, usage) + 1;
    void *ctx = zg_start(), *server = zg_socket(ctx, ZMQ_REP);
    zg_msg msg = { 0 };

    zg_bind(server, "liar", zg_value[0]);
    while (zg_recv(&msg, server, 0))
        for (char **f = frames; *f != NULL; f++)
            zmq_send(server, *f, strlen(*f), f[1] != NULL ? ZMQ_SNDMORE : 0);
    zg_clear(&msg);
    zmq_close(server);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
