/* SPDX-License-Identifier: 0BSD */
/* chp.h - the Clustered Hashmap Protocol, RFC 12: frames, limits, endpoints.
 *
 *     client           port    server
 *     DEALER  <--------> P     ROUTER     [ICANHAZ?][subtree]
 *                                         snapshot: KVSYNC ..., KTHXBAI
 *     SUB     <--------- P+1   PUB        KVPUB, and HUGZ once a second
 *     PUSH or PUB -----> P+2   PULL, SUB  KVSET
 *
 * All messages except the request are key-value messages. The server numbers
 * the updates, so that all clients apply them in the same order. An empty value
 * deletes.
 *
 *     KVSYNC, KVPUB, KVSET   [key][number][value]                 models 1-4
 *                            [key][number][uuid][properties][value]    5, 6
 *     KTHXBAI                [KTHXBAI][number of the snapshot]...[subtree]
 *     HUGZ                   [HUGZ][0]...[epoch]
 *
 * An epoch names a period in which a server is active: from its start, or from
 * a failover. RFC 12 leaves the value of HUGZ empty.
 */
#pragma once
#include "zg.h"

#define CHP_ICANHAZ "ICANHAZ?" /* request a snapshot */
#define CHP_KTHXBAI "KTHXBAI"  /* end of the snapshot */
#define CHP_HUGZ "HUGZ"        /* heartbeat of the server */

enum { KV_KEY, KV_NUMBER }; /* frames; a number is eight bytes, big endian */

enum {
    CHP_ENDPOINT_MAX = 240,            /* bytes */
    CHP_KEY_MAX = 255,                 /* bytes of a key or a subtree */
    CHP_SUBTREE_MAX = CHP_KEY_MAX - 4, /* room for a random key in it */
    CHP_PROPERTIES_MAX = 1 << 16,      /* bytes of all properties */
    CHP_EPOCH_SIZE = 16,               /* hexadecimal digits */
    CHP_HUGZ_MS = 1000,                /* between two HUGZ */
    CHP_NO_HUGZ_MS = 3000,             /* after this wait a client joins
                                      without HUGZ: RFC 12 servers need not
                                      send it */
    CHP_SERVER_QUEUE = 10000,          /* updates that wait for a slow client;
                                      beyond, the client loses them */
    CHP_CLIENT_QUEUE = 100000,         /* updates that wait during a snapshot */
};

#define CHP_NUMBER_MAX (INT64_MAX / 2)

/* Return the number in a frame of eight bytes. */
static inline int64_t kv_decode(const uint8_t *byte)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | byte[i];
    return (int64_t) number;
}

/* Return the number of a valid key-value message. */
static inline int64_t kv_number(zg_msg *msg)
{
    return kv_decode(zmq_msg_data(&msg->frame[KV_NUMBER]));
}

static inline void kv_set_number(zg_msg *msg, int64_t number)
{
    uint8_t *byte = zmq_msg_data(&msg->frame[KV_NUMBER]);
    uint64_t rest = (uint64_t) number;
    for (int i = 7; i >= 0; i--, rest >>= 8)
        byte[i] = (uint8_t) rest;
}

/* Append the first two frames of a message: [key][number] */
static inline void kv_begin(zg_msg *msg, const void *key, size_t size,
                            int64_t number)
{
    zg_insert(msg, KV_KEY, key, size);
    zg_insert(msg, KV_NUMBER, "\0\0\0\0\0\0\0\0", 8);
    kv_set_number(msg, number);
}

/* Return true if a message from a peer has this number of frames, a key of 1 to
 * CHP_KEY_MAX bytes, and eight bytes for its number. */
static inline bool kv_is_valid(zg_msg *msg, int frames)
{
    if (msg->count != frames || zmq_msg_size(&msg->frame[KV_NUMBER]) != 8)
        return false;
    size_t key = zmq_msg_size(&msg->frame[KV_KEY]);
    return key >= 1 && key <= CHP_KEY_MAX;
}

/* Return true if the key is one of the protocol's own, which no client sets. */
static inline bool kv_is_reserved(zg_msg *msg)
{
    return zg_is(msg, KV_KEY, CHP_KTHXBAI) || zg_is(msg, KV_KEY, CHP_HUGZ);
}

/* Return true if the key begins with `subtree`. A subscription is a prefix: the
 * one to HUGZ also brings keys that begin with HUGZ. */
static inline bool kv_is_below(zg_msg *msg, const void *subtree, size_t size)
{
    return zmq_msg_size(&msg->frame[KV_KEY]) >= size
           && memcmp(zmq_msg_data(&msg->frame[KV_KEY]), subtree, size) == 0;
}

/* Prepare a PUB that sends updates to servers, before it connects: queue
 * nothing for a server that is disconnected, or whose TCP acknowledges
 * nothing for 3 s, since an update that arrives late could undo a newer one. */
static inline void chp_prepare_sender(void *sender)
{
    zg_set(sender, ZMQ_SNDHWM, CHP_CLIENT_QUEUE);
    zg_set(sender, ZMQ_IMMEDIATE, 1);
    zg_set(sender, ZMQ_CONNECT_TIMEOUT, CHP_HUGZ_MS);
    zg_set(sender, ZMQ_TCP_MAXRT, 3 * CHP_HUGZ_MS);
}

/* Write the name of the property of HUGZ that counts the updates of a subtree:
 * "count." and the subtree in hexadecimal. Return the end of the text. */
static inline char *chp_count_name(char *text, const char *subtree, size_t size)
{
    char *end = text + sprintf(text, "count.");
    for (size_t i = 0; i < size; i++)
        end += sprintf(end, "%02x", (uint8_t) subtree[i]);
    return end;
}

/* Write the endpoint at port P+plus, given that at P. Without a port number it
 * gets a suffix: ipc://here, ipc://here+1, ipc://here+2. With port `*` it is
 * returned unchanged, so each socket gets a free port. libzmq refuses one that
 * is malformed or too long. */
static inline const char *chp_endpoint(char text[256], const char *first,
                                       int plus)
{
    const char *colon = strrchr(first, ':');
    if (colon == NULL || colon[1] == '*' || strlen(first) > CHP_ENDPOINT_MAX)
        return first;
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits > 0 && digits < 6 && colon[1 + digits] == '\0')
        snprintf(text, 256, "%.*s:%d", (int) (colon - first), first,
                 atoi(colon + 1) + plus);
    else
        snprintf(text, 256, "%s+%d", first, plus);
    return text;
}

static inline void *chp_end_context(void *ctx)
{
    zmq_ctx_term(ctx);
    return NULL;
}

/* Terminate a context without waiting: a name lookup may still run. */
static inline void chp_detach_context(void *ctx)
{
    pthread_detach(zg_thread(chp_end_context, ctx));
}
