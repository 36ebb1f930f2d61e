/* SPDX-License-Identifier: 0BSD */
/* flserver2.c - server for Freelance model two; run several.
 *
 *     DEALER flclient2 ---> REP flserver2 (this)    [number][request]
 *                      ---> REP flserver2           [number][OK]
 *
 * The client sends each request to all servers and uses the first reply. The
 * reply carries the number of the request, so the client recognises the late
 * replies to earlier requests.
 *
 * Build: cc -Icommon ch4-reliability/flserver2.c -o flserver2 -lzmq -lpthread
 *
 * Try it: see flclient2.c.
 *
 * Guide: chapter 4, "Model Two: Brutal Shotgun Massacre".
 */
#include "zg.h"

static const char usage[] = "flserver2 [-v] ENDPOINT\n"
                            "Replies OK to each request, with its number.\n"
                            "  -v        print the number of each request\n"
                            "  ENDPOINT  bind\n"
                            "Peers: flclient2 ENDPOINT\n";

/* Turn [number][request] into [number][OK]. */
static void make_reply(zg_msg *msg)
{
    char text[64];

    if (msg->count != 2) {
        zg_drop(msg, "a client");
        zg_insert(msg, 0, "", 0); /* a REP socket must send a reply */
        return;
    }
    if (zg_value['v'] != NULL)
        printf("I: request %s\n", zg_text(&msg->frame[0], text, sizeof text));
    zg_cut(msg, 1);
    zg_insert(msg, 1, "OK", 2);
}

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    if (zg_value[0] == NULL)
        zg_usage_error();
    void *ctx = zg_start(), *server = zg_socket(ctx, ZMQ_REP);
    zg_msg msg = { 0 };

    zg_bind(server, "server", zg_value[0]);
    while (zg_recv(&msg, server, 0)) {
        make_reply(&msg);
        if (!zg_send(&msg, server, 0))
            break;
    }
    zg_clear(&msg);
    zmq_close(server);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
