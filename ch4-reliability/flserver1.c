/* SPDX-License-Identifier: 0BSD */
/* flserver1.c - echo server for Freelance model one; run several.
 *
 *     REQ flclient1 ---> REP flserver1 (this)
 *                   ...> REP flserver1
 *
 * The server returns each request. It knows nothing of the other servers: the
 * client asks them one after the other.
 *
 * Build: cc -Icommon ch4-reliability/flserver1.c -o flserver1 -lzmq -lpthread
 *
 * Try it: see flclient1.c.
 *
 * Guide: chapter 4, "Model One: Simple Retry and Failover".
 */
#include "zg.h"

static const char usage[] = "flserver1 ENDPOINT\n"
                            "Returns each request unchanged.\n"
                            "  ENDPOINT  bind\n"
                            "Peers: flclient1 ENDPOINT\n";

int main(int argc, char *argv[])
{
    zg_args(argc, argv, usage);
    if (zg_value[0] == NULL)
        zg_usage_error();
    void *ctx = zg_start(), *server = zg_socket(ctx, ZMQ_REP);
    zg_msg msg = { 0 };

    zg_bind(server, "server", zg_value[0]);
    while (zg_recv(&msg, server, 0)) {
        if (msg.count == 0) {
            zg_drop(&msg, "a client");
            zg_insert(&msg, 0, "", 0); /* a REP socket must send a reply */
        }
        if (!zg_send(&msg, server, 0))
            break;
    }
    zg_clear(&msg);
    zmq_close(server);
    zg_stop(ctx);
    return EXIT_SUCCESS;
}
