/* SPDX-License-Identifier: 0BSD */
/* flserver2.c - a name service that knows but one answer; there are several.
 *
 *     DEALER flclient2 ---> REP flserver2 (this)    [number][name]
 *                      ---> REP flserver2           [number][OK]
 *
 * The number in front comes back with the answer, so that a client knows what
 * is answered: every request is answered by many servers.
 *
 * Build: cc -Icommon ch4-reliability/flserver2.c -o flserver2 -lzmq -lpthread
 *
 * Try it: see flclient2.c.
 *
 * Guide: chapter 4, "Model Two: Brutal Shotgun Massacre".
 */
#include "zg.h"

static const char usage[] = "flserver2 [-v] ENDPOINT\n"
                            "Answers OK to each request, with its number.\n"
                            "  -v        show the requests\n"
                            "  ENDPOINT  bind\n"
                            "Peers: flclient2 ENDPOINT\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    if (zg_value[0] == NULL)
        zg_usage_error();
    void *ctx = zg_start(), *server = zg_socket(ctx, ZMQ_REP);
    zg_msg msg = { 0 };
    char text[64];

    zg_bind(server, "service", zg_value[0]);
    while (zg_recv(&msg, server, 0)) {
        if (msg.count == 2) {
            if (zg_value['v'] != NULL)
                printf("I: request %s\n",
                       zg_text(&msg.frame[0], text, sizeof text));
            zmq_msg_close(&msg.frame[--msg.count]);
            zg_insert(&msg, 1, "OK", 2);
        } else {
            zg_drop(&msg, "a client");
            zg_clear(&msg);
            zg_insert(&msg, 0, "", 0); /* for a REP socket has to answer */
        }
        if (!zg_send(&msg, server, 0))
            break;
    }
    zg_clear(&msg);
    zmq_close(server);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
