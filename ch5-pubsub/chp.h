/* SPDX-License-Identifier: 0BSD */
/* chp.h - the Clustered Hashmap Protocol, RFC 12: what goes over the wire.
 *
 *     client           port    server
 *     DEALER  <--------> P     ROUTER     [ICANHAZ?][subtree]
 *                                         KVSYNC ..., then KTHXBAI
 *     SUB     <--------- P+1   PUB        KVPUB, and HUGZ when it is time
 *     PUSH or PUB -----> P+2   PULL, SUB  KVSET
 *
 * All but the request are key-value messages: [key][number][value] up to model
 * 4, [key][number][uuid][properties][value] from model 5 on. A number is eight
 * bytes, big endian. The server gives each update the next one; in HUGZ it is
 * 0. An empty value deletes the key.
 */
#pragma once
#include "zg.h"

#define CHP_ICANHAZ "ICANHAZ?" /* a client asks for all that there is */
#define CHP_KTHXBAI "KTHXBAI"  /* that was all, as of this number */
#define CHP_HUGZ "HUGZ"        /* the server is here; nothing else */

enum {
    CHP_KEY_MAX = 255,  /* bytes */
    CHP_HUGZ_MS = 1000, /* between two of them */
    /* A server that has said nothing for so long is gone. */
    CHP_SILENCE_MS = 5000,
    /* Updates that a server keeps for a client whose connection is slow, and
     * that a client keeps for itself until its snapshot is complete. */
    CHP_SERVER_QUEUE = 10000,
    CHP_CLIENT_QUEUE = 100000,
};

/* For both ends of the way to a collector. To a server that is gone nothing is
 * sent, and what was on its way is lost: late, it would be taken for news. */
static inline void chp_forget_dead(void *sock)
{
    zg_set(sock, ZMQ_IMMEDIATE, 1);
    zg_set(sock, ZMQ_HEARTBEAT_IVL, CHP_HUGZ_MS);
    zg_set(sock, ZMQ_HEARTBEAT_TIMEOUT, 2 * CHP_HUGZ_MS);
    zg_set(sock, ZMQ_CONNECT_TIMEOUT, CHP_HUGZ_MS);
    zg_set(sock, ZMQ_HANDSHAKE_IVL, CHP_SILENCE_MS);
}

/* The endpoint of a server whose first is at P: P itself, P+1, P+2. One without
 * a port number has names instead: ipc://here, ipc://here+1, ipc://here+2. */
static inline const char *chp_endpoint(char text[256], const char *first,
                                       int plus)
{
    const char *port = strrchr(first, ':') + 1;

    if (strspn(port, "0123456789") == strlen(port))
        snprintf(text, 256, "%.*s%d", (int) (port - first), first,
                 atoi(port) + plus);
    else if (*port != '*' && plus > 0)
        snprintf(text, 256, "%s+%d", first, plus);
    else
        snprintf(text, 256, "%s", first);
    return text;
}
