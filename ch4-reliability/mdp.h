/* SPDX-License-Identifier: 0BSD */
/* mdp.h - Majordomo Protocol 0.1 (RFC 7): what its three parties agree on.
 *
 * Between a client and the broker, both ways (a REQ adds the empty frame):
 *     [][MDPC01][service][body...]
 * Between a worker and the broker:
 *     [][MDPW01][READY][service]              worker, first of all
 *     [][MDPW01][REQUEST][client][][body...]  broker
 *     [][MDPW01][REPLY][client][][body...]    worker, to the same client
 *     [][MDPW01][HEARTBEAT]                   both
 *     [][MDPW01][DISCONNECT]                  both, last of all
 */
#pragma once
#include "zg.h"

#define MDPC_CLIENT "MDPC01"
#define MDPW_WORKER "MDPW01"

#define MDPW_READY "\001"
#define MDPW_REQUEST "\002"
#define MDPW_REPLY "\003"
#define MDPW_HEARTBEAT "\004"
#define MDPW_DISCONNECT "\005"

/* The frames of a body: with all before it, no more than zg_recv() takes. */
enum { MDP_BODY = ZG_MAX_RECV - 6 };

/* RFC 7: a service name is printable (UTF-8 is). 255 bytes are enough. */
static inline bool mdp_is_name(zmq_msg_t *frame)
{
    const unsigned char *byte = zmq_msg_data(frame);
    size_t n = 0, size = zmq_msg_size(frame);

    while (n < size && byte[n] >= ' ' && byte[n] != 127)
        n++;
    return n == size && size > 0 && size < 256;
}

/* RFC 8: services with such names are the broker's own. */
static inline bool mdp_is_mmi(zmq_msg_t *name)
{
    return zmq_msg_size(name) > 3 && memcmp(zmq_msg_data(name), "mmi.", 4) == 0;
}

/* Is it [][MDPC01]..., and then [service][body...]? */
static inline bool mdp_is_client(zg_msg *msg, int at)
{
    return zg_is(msg, at, "") && zg_is(msg, at + 1, MDPC_CLIENT);
}

static inline bool mdp_is_request(zg_msg *msg, int at)
{
    int body = msg->count - at - 3;

    return body > 0 && body <= MDP_BODY && mdp_is_name(&msg->frame[at + 2]);
}

/* The command of [][MDPW01][command]... that begins at that frame; 0 if it is
 * none, or has not the frames that RFC 7 wants. */
static inline char mdp_command(zg_msg *msg, int at)
{
    int frames = msg->count - at;
    char command;

    if (!zg_is(msg, at, "") || !zg_is(msg, at + 1, MDPW_WORKER) || frames < 3
        || zmq_msg_size(&msg->frame[at + 2]) != 1)
        return 0;
    command = *(char *) zmq_msg_data(&msg->frame[at + 2]);
    if (command == *MDPW_HEARTBEAT || command == *MDPW_DISCONNECT)
        return frames == 3 ? command : 0;
    if (command == *MDPW_READY)
        return frames == 4 && mdp_is_name(&msg->frame[at + 3]) ? command : 0;
    if (command == *MDPW_REQUEST || command == *MDPW_REPLY)
        return frames > 5 && zg_is(msg, at + 4, "") ? command : 0;
    return 0;
}

/* A socket for all this. How large a frame may be, the broker decides for all;
 * the others take what it lets pass: -1. */
static inline void *mdp_socket(void *ctx, int type, int64_t frame_max)
{
    void *sock = zg_socket(ctx, type);

    zg_must(zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max));
    return sock;
}

/* Append a frame. */
static inline void mdp_add(zg_msg *msg, const char *text)
{
    zg_insert(msg, msg->count, text, strlen(text));
}

/* Append [][MDPW01][command]. */
static inline void mdp_add_command(zg_msg *msg, const char *command)
{
    mdp_add(msg, "");
    mdp_add(msg, MDPW_WORKER);
    mdp_add(msg, command);
}

/* Append copies of frames; their bytes are shared. */
static inline void mdp_copy(zg_msg *msg, zmq_msg_t *frame, int count)
{
    while (count-- > 0) {
        zmq_msg_init(&msg->frame[msg->count]);
        zmq_msg_copy(&msg->frame[msg->count++], frame++);
    }
}

/* Let the message end after so many frames. */
static inline void mdp_cut(zg_msg *msg, int count)
{
    while (msg->count > count)
        zmq_msg_close(&msg->frame[--msg->count]);
}

/* For -v: a message, its frames as text or, where they are none, in hex. */
static inline void mdp_show(bool verbose, const char *what, zg_msg *msg)
{
    if (!verbose)
        return;
    printf("I: %s", what);
    for (int i = 0; i < msg->count; i++) {
        const unsigned char *byte = zmq_msg_data(&msg->frame[i]);
        size_t size = zmq_msg_size(&msg->frame[i]), n = 0;
        bool text = mdp_is_name(&msg->frame[i]);
        for (printf(" ["); n < size && n < 64; n++)
            printf(text ? "%c" : "%02X", byte[n]);
        printf(n < size ? "...]" : "]");
    }
    putchar('\n');
}
