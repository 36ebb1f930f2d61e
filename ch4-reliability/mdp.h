/* SPDX-License-Identifier: 0BSD */
/* mdp.h - Majordomo Protocol 0.1, spoken by mdbroker, its clients and workers.
 *
 * Between a client and the broker, both ways (a REQ socket adds the empty
 * frame):
 *     [][MDPC01][service][body...]
 * Between a worker and the broker:
 *     [][MDPW01][READY][service]              from worker, registers it
 *     [][MDPW01][REQUEST][client][][body...]  from broker
 *     [][MDPW01][REPLY][client][][body...]    from worker, to the same client
 *     [][MDPW01][HEARTBEAT]                   both ways
 *     [][MDPW01][DISCONNECT]                  both ways, ends the session
 *
 * Specification: https://rfc.zeromq.org/spec/7/ and, for "mmi.", .../spec/8/
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

/* The most frames in a body. The broker reads six more:
 * [worker][][MDPW01][REPLY] [client][]. */
enum { MDP_MAX_BODY = ZG_MAX_RECV - 6 };

/* True if the frame is a service name: 1 to 255 bytes, none of them an ASCII
 * control character. */
static inline bool mdp_is_name(zmq_msg_t *frame)
{
    const unsigned char *byte = zmq_msg_data(frame);
    size_t n = 0, size = zmq_msg_size(frame);

    while (n < size && byte[n] >= ' ' && byte[n] != 127)
        n++;
    return n == size && size > 0 && size < 256;
}

/* True if the service is one of the broker itself (RFC 8). */
static inline bool mdp_is_mmi(zmq_msg_t *name)
{
    return zmq_msg_size(name) > 3 && memcmp(zmq_msg_data(name), "mmi.", 4) == 0;
}

/* True if the frames from i on are [][MDPC01]...: a request or its reply. */
static inline bool mdp_is_client_message(zg_msg *msg, int i)
{
    return zg_is(msg, i, "") && zg_is(msg, i + 1, MDPC_CLIENT);
}

/* True if the frames from i on are [][MDPC01][service][body...]. */
static inline bool mdp_is_request(zg_msg *msg, int i)
{
    int body = msg->count - i - 3;

    return mdp_is_client_message(msg, i) && body > 0 && body <= MDP_MAX_BODY
           && mdp_is_name(&msg->frame[i + 2]);
}

/* If the frames from i on are [][MDPW01][command]... with exactly the frames
 * that this command has, return the command, otherwise 0. */
static inline char mdp_command(zg_msg *msg, int i)
{
    int frames = msg->count - i;

    if (frames < 3 || !zg_is(msg, i, "") || !zg_is(msg, i + 1, MDPW_WORKER)
        || zmq_msg_size(&msg->frame[i + 2]) != 1)
        return 0;
    char command = *(char *) zmq_msg_data(&msg->frame[i + 2]);
    if (command == *MDPW_HEARTBEAT || command == *MDPW_DISCONNECT)
        return frames == 3 ? command : 0;
    if (command == *MDPW_READY)
        return frames == 4 && mdp_is_name(&msg->frame[i + 3]) ? command : 0;
    if (command == *MDPW_REQUEST || command == *MDPW_REPLY)
        return frames > 5 && frames - 5 <= MDP_MAX_BODY && zg_is(msg, i + 4, "")
                   ? command
                   : 0;
    return 0;
}

/* Append a frame with this text. */
static inline void mdp_append(zg_msg *msg, const char *text)
{
    zg_insert(msg, msg->count, text, strlen(text));
}

/* Append [][MDPW01][command]. */
static inline void mdp_append_command(zg_msg *msg, const char *command)
{
    mdp_append(msg, "");
    mdp_append(msg, MDPW_WORKER);
    mdp_append(msg, command);
}

/* For -v: print the first 64 bytes of each frame, as text or, if they hold a
 * control character, in hex. */
static inline void mdp_print(bool verbose, const char *direction, zg_msg *msg)
{
    if (!verbose)
        return;
    flockfile(stdout);
    printf("I: %s", direction);
    for (int i = 0; i < msg->count; i++) {
        const unsigned char *byte = zmq_msg_data(&msg->frame[i]);
        char text[65];
        size_t shown = strlen(zg_text(&msg->frame[i], text, sizeof text));
        printf(" [");
        if (memcmp(text, byte, shown) == 0)
            printf("%s", text);
        else
            for (size_t n = 0; n < shown; n++)
                printf("%02X", byte[n]);
        printf(shown < zmq_msg_size(&msg->frame[i]) ? "...]" : "]");
    }
    putchar('\n');
    funlockfile(stdout);
}
